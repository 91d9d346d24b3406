// node ts_oauth.mjs CONFIG: the OAuth client of the TypeScript SDK, driven by lines of JSON-RPC on standard input.
//
// CONFIG {url, redirect}. `signIn` says where the browser is to be sent, `finish` {back} is told to where it was sent back
// and lists the tools, `refresh` lists them once more with an access token that has expired.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.env.NPM_ROOT}/package.json`);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = require('@modelcontextprotocol/client');

const config = JSON.parse(process.argv[2]);

class Provider {
    kept = {};
    get redirectUrl() { return config.redirect; }
    get clientMetadata() {
        return {
            client_name: 'TypeScript',
            redirect_uris: [config.redirect],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none',
        };
    }
    state() { return 'a state/of+ours'; }
    clientInformation() { return this.kept.client; }
    saveClientInformation(client) { this.kept.client = client; }
    tokens() { return this.kept.tokens; }
    saveTokens(tokens) { this.kept.tokens = tokens; }
    redirectToAuthorization(url) { this.kept.open = String(url); }
    saveCodeVerifier(verifier) { this.kept.verifier = verifier; }
    codeVerifier() { return this.kept.verifier; }
}

const provider = new Provider();
const transportOf = () => new StreamableHTTPClientTransport(new URL(config.url), { authProvider: provider });
const clientOf = () => new Client({ name: 'memoryd-oauth-tests', version: '1.0.0' });
let waiting;

async function tools() {
    const client = clientOf();
    await client.connect(transportOf());
    const { tools } = await client.listTools();
    await client.close();
    return tools.map(tool => tool.name);
}

const OPS = {
    async signIn() {
        waiting = transportOf();
        try {
            await clientOf().connect(waiting);
        } catch (error) {
            if (!(error instanceof UnauthorizedError)) {
                throw error;
            }
        }
        return provider.kept.open;
    },
    async finish({ back }) {
        const answer = new URL(back).searchParams;
        if (answer.get('state') !== provider.state()) {
            throw new Error(`the state came back as ${answer.get('state')}`);
        }
        await waiting.finishAuth(answer);
        return tools();
    },
    async refresh() {
        // The next request is refused, and a refresh follows by itself.
        provider.kept.tokens = { ...provider.kept.tokens, access_token: 'mat_expired' };
        return tools();
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    let answer;
    try {
        answer = { result: await OPS[method](params) };
    } catch (error) {
        answer = { error: { code: 1, message: String(error?.stack ?? error) } };
    }
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...answer })}\n`);
}
process.exit(0);
