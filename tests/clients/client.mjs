// A session by @modelcontextprotocol/client, the second line of TypeScript clients: client.mjs PYTHON PROJECT MODE

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { CURRENT, server, wholeSession } from './session.mjs';

const [python, project, mode] = process.argv.slice(2);
const versionNegotiation = { mode: mode === 'pin' ? { pin: '2026-07-28' } : mode };
const client = new Client({ name: 'typescript-client', version: '2.4.0' }, { versionNegotiation });
await client.connect(new StdioClientTransport(server(python, project)));
const seen = await wholeSession(client, async (told) => {
  client.setNotificationHandler('notifications/resources/updated', (message) => told(message.params));
  if (mode === 'legacy') {
    await client.subscribeResource({ uri: CURRENT });
    return () => client.unsubscribeResource({ uri: CURRENT });
  }
  const listening = await client.listen({ resourceSubscriptions: [CURRENT] });
  return () => listening.close();
});
seen.version = client.getNegotiatedProtocolVersion();
await client.close();
console.log(JSON.stringify(seen));
