import { main } from '#agent/main.ts';

await main([...process.argv.slice(2), '--log-level', 'warn']);
