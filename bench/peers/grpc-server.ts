/** `grpc-server PROTO [KEY]`: multiplies by gRPC, over TLS where there is a key. */
import { readFileSync } from "node:fs";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { mathService } from "./math-service.ts";

interface Factors {
  readonly a: number;
  readonly b: number;
}

const [protoFile = "", keyFile] = process.argv.slice(2);
const server = new Server();
server.addService(mathService(protoFile).service, {
  Multiply: ({ request }: ServerUnaryCall<Factors, unknown>, done: sendUnaryData<unknown>) =>
    done(null, { result: request.a * request.b }),
});
server.bindAsync("127.0.0.1:0", credentials(keyFile), (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ port }));
});

function credentials(file: string | undefined): ServerCredentials {
  if (file === undefined) return ServerCredentials.createInsecure();
  const pem = readFileSync(file);
  return ServerCredentials.createSsl(null, [{ private_key: pem, cert_chain: pem }]);
}
