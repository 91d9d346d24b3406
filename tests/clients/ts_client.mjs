// node ts_client.mjs CONFIG: one TypeScript client, driven by lines of JSON on standard input.
//
// CONFIG {transport: "http", url, headers, mode} or {transport: "stdio", command, args, env, cwd, mode};
// mode "default" leaves the choice to the client (`initialize`), "auto" probes, any other is a pinned revision.
// First line out: {ok: {protocol, era, server}}. Then, for each {op, params} in, {ok: result} or {error: {code, message}}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.env.NPM_ROOT}/package.json`);
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');
const { StdioClientTransport } = require('@modelcontextprotocol/client/stdio');

const OPS = ['listTools', 'callTool', 'listResources', 'listResourceTemplates', 'readResource', 'listPrompts', 'getPrompt',
    'complete'];

function say(message) {
    process.stdout.write(`${JSON.stringify(message)}\n`);
}

function failure(error) {
    return { error: { code: error?.code ?? error?.name ?? 'unknown', message: String(error?.message ?? error) } };
}

function transportOf(config) {
    if (config.transport === 'stdio') {
        const { command, args, env, cwd } = config;
        return new StdioClientTransport({ command, args, env, cwd, stderr: 'inherit' });
    }
    return new StreamableHTTPClientTransport(new URL(config.url), { requestInit: { headers: config.headers } });
}

function negotiationOf(mode) {
    if (mode === 'default') {
        return undefined;
    }
    return { mode: mode === 'auto' ? 'auto' : { pin: mode } };
}

const config = JSON.parse(process.argv[2]);
const client = new Client({ name: 'memoryd-client-tests', version: '1.0.0' }, { versionNegotiation: negotiationOf(config.mode) });
try {
    await client.connect(transportOf(config));
} catch (error) {
    say(failure(error));
    process.exit(3);
}
say({ ok: { protocol: client.getNegotiatedProtocolVersion(), era: client.getProtocolEra(), server: client.getServerVersion() } });

for await (const line of createInterface({ input: process.stdin })) {
    const { op, params } = JSON.parse(line);
    try {
        if (!OPS.includes(op)) {
            throw new Error(`no such operation: ${op}`);
        }
        say({ ok: await client[op](params) });
    } catch (error) {
        say(failure(error));
    }
}
await client.close();
