// The provider's process: `node server.mjs CONFIGURATION`, as JSON in the provider's own terms, with `people` beside it
// (claims by account). What is not in there stays as the provider has it by default.
//
// The first line of its output is its address. A line on its input makes it sign with a new key; at the input's end it
// ends, so that it outlives no test run.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const { people, ...configuration } = JSON.parse(process.argv[2]);
if (people) {
  configuration.findAccount = (_context, sub) => ({ accountId: sub, claims: () => ({ ...people[sub], sub }) });
}

const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

const say = (line) => process.stdout.write(`${line}\n`);
console.info = console.error; // the provider's own notices

/** Answer from now on by these keys; what was begun goes on, for its memory is the process's. */
function serve(more) {
  server.removeAllListeners("request");
  server.on("request", new Provider(issuer, { ...configuration, ...more }).callback());
}

serve({});
say(issuer);
for await (const _line of createInterface({ input: process.stdin })) {
  const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  serve({ jwks: { keys: [{ ...key, kid: randomUUID(), use: "sig", alg: "RS256" }] } });
  say("rotated");
}
process.exit();
