import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const projectFolder = fileURLToPath(new URL('../..', import.meta.url));

export type Service = {
  image: string;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
};
export type ComposeFile = { services: Record<string, Service>; volumes: Record<string, null> };

const read = (path: string): string => readFileSync(`${projectFolder}/${path}`, 'utf8');

/** docker-compose.yml as written: nothing is filled in yet. */
export const readComposeFile = (): ComposeFile =>
  parse(read('docker-compose.yml'), { merge: true }) as ComposeFile;

export const readExample = (name: string): unknown => parse(read(`examples/compose/${name}.yaml`));

/** example.env as docker-compose reads it. */
export const readExampleEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    read('examples/compose/example.env')
      .split('\n')
      .filter((line) => line.includes('=') && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

/** The same tree with each text and number replaced where `replace` gives something else. */
export const mapLeaves = (value: unknown, replace: (leaf: unknown) => unknown): unknown => {
  if (Array.isArray(value)) return value.map((each) => mapLeaves(each, replace));
  if (typeof value !== 'object' || value === null) return replace(value);
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, mapLeaves(each, replace)]),
  );
};
