// A thread does not load TypeScript by itself, whatever its process was started with.
import { register } from 'tsx/esm/api';

register();
await import('./engine-thread-child.ts');
