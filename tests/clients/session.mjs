// What each client does in a session, and what it saw of it. `seen` is printed at the end for the test to judge.

export const CURRENT = 'context://session/current';

export const server = (python, project) => ({
  command: python,
  args: ['-m', 'kioku', 'serve', '--project', project],
  cwd: project,
  env: process.env,
  stderr: 'inherit',
});

// `subscribe(told)` returns once the server has confirmed, and calls `told(params)` with each update that comes.
export async function wholeSession(client, subscribe) {
  const seen = {};
  seen.server = client.getServerVersion();
  seen.instructions = client.getInstructions();
  seen.tools = (await client.listTools()).tools.map((tool) => tool.name);
  seen.read = await client.callTool({ name: 'read_file', arguments: { path: 'a.txt' } });
  seen.found = await client.callTool({ name: 'grep_codebase', arguments: { pattern: 'two' } });
  seen.failed = await client.callTool({ name: 'read_file', arguments: { path: '../outside' } });
  seen.unknown = await client.callTool({ name: 'no_such_tool', arguments: {} }).catch((error) => error.code);
  seen.resources = (await client.listResources()).resources.map((resource) => resource.uri);
  seen.templates = (await client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate);
  seen.resource = (await client.readResource({ uri: CURRENT })).contents;
  const update = Promise.withResolvers();
  const unsubscribe = await subscribe(update.resolve);
  seen.sessions = await client.callTool({ name: 'sessions', arguments: {} });
  seen.update = await update.promise;
  await unsubscribe();
  return seen;
}
