import { main } from '#edge/main.ts';

await main([...process.argv.slice(2), '--log-level', 'silent']);
