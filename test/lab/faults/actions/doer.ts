import type { Lab } from '../../lab.ts';
import type { FaultAction } from '../fault.ts';
import { nearestName } from '../nearest-name.ts';

export type ActionKind = FaultAction['do'];
export type ActionOf<K extends ActionKind> = Extract<FaultAction, { do: K }>;

/** How one kind of action is done to a lab and undone, both as often as one likes. */
export type Doer<K extends ActionKind> = {
  /** What it changes, in words: two faults that are set together may not change the same thing. */
  changes(action: ActionOf<K>): string;
  /** Throws when something of it is not there, with the nearest name that is. */
  check(lab: Lab, action: ActionOf<K>): void;
  /** `others`: every other action that is set. */
  apply(lab: Lab, action: ActionOf<K>, others: readonly FaultAction[]): Promise<void>;
  /**
   * Needs no memory of what was: it makes what the topology says. Works on what was applied by half
   * or not at all, and where a program has ended since.
   */
  undo(lab: Lab, action: ActionOf<K>, others: readonly FaultAction[]): Promise<void>;
};

/** Rejects when the command fails; with what it said. */
export const must = async (
  lab: Lab,
  node: string,
  command: string,
  args: readonly string[],
  input = '',
): Promise<string> => {
  const { code, stdout, stderr } = await lab.exec(node, command, args, { input });
  if (code === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')} in ${node}: ${stderr.trim() || `exit ${code}`}`);
};

export const checkNode = (lab: Lab, name: string): void =>
  checkKnown(
    'node',
    name,
    lab.topology.nodes.map((node) => node.name),
  );

export const checkLink = (lab: Lab, link: string): void =>
  checkKnown(
    'link',
    link,
    lab.topology.links.map(({ a, b }) => `${a}-${b}`),
  );

export const checkDirection = (lab: Lab, direction: string): void =>
  checkKnown(
    'direction',
    direction,
    lab.topology.links.flatMap(({ a, b }) => [`${a}>${b}`, `${b}>${a}`]),
  );

export const checkKnown = (what: string, name: string, known: readonly string[]): void => {
  if (!known.includes(name)) {
    throw new Error(`there is no ${what} "${name}"${nearestName(name, known)}`);
  }
};

/** `ia1>ia2`: who sends, and towards whom. */
export const endsOf = (direction: string): { node: string; towards: string } => {
  const [node = '', towards = ''] = direction.split('>');
  return { node, towards };
};
