#!/usr/bin/env node
// The `whyslow` command. The sources are TypeScript and run through tsx: there is no build step.
import { register } from 'tsx/esm/api';

// libuv's four threads are shared by getaddrinfo, files and zlib: one slow resolver would delay all.
process.env.UV_THREADPOOL_SIZE ??= '16';
register();
const { main } = await import('../cli/main.ts');
await main(process.argv);
