// A session by @modelcontextprotocol/sdk, the first line of TypeScript clients: sdk.mjs PYTHON PROJECT

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { CURRENT, server, wholeSession } from './session.mjs';

const [python, project] = process.argv.slice(2);
const client = new Client({ name: 'typescript-sdk', version: '1.32.2' });
await client.connect(new StdioClientTransport(server(python, project)));
await client.ping();
const seen = await wholeSession(client, async (told) => {
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, (message) => told(message.params));
  await client.subscribeResource({ uri: CURRENT });
  return () => client.unsubscribeResource({ uri: CURRENT });
});
await client.close();
console.log(JSON.stringify(seen));
