// `smallest-tls-call PORT KEY`: the least that a program of Node can do to call a server over TLS with a key.
const { readFileSync } = require("node:fs");
const { connect } = require("node:tls");
const [port, keyFile] = process.argv.slice(2);
const pem = readFileSync(keyFile);
const options = {
  host: "127.0.0.1",
  port,
  key: pem,
  cert: pem,
  ca: [],
  minVersion: "TLSv1.3",
  rejectUnauthorized: false,
};
const call = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"math.multiply","params":[6,7]}');
const socket = connect(options, () => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(call.length);
  socket.write(Buffer.concat([length, call]));
});
socket.once("data", (answer) => {
  process.stdout.write(`${JSON.parse(answer.subarray(4)).result}\n`);
  socket.end();
});
