/** `grpc-caller PROTO PORT [tls]`: calls of the gRPC server. */
import { ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import { serveCaller } from "./caller.ts";
import { mathService } from "./math-service.ts";

async function main([protoFile = "", port, tls]: readonly string[]): Promise<void> {
  const client = new (mathService(protoFile))(`127.0.0.1:${port}`, credentials(tls), {
    // RFC 6066 §3 allows no address as the server's name.
    "grpc.ssl_target_name_override": "localhost",
  });
  const multiply = client.Multiply?.bind(client);
  if (multiply === undefined) throw new Error("the service has no Multiply");
  await serveCaller(
    () =>
      new Promise((resolve, reject) => {
        multiply({ a: 6, b: 7 }, (error: ServiceError | null, answer: { result: number }) => {
          if (error) reject(error);
          else resolve(answer.result);
        });
      }),
  );
}

function credentials(tls: string | undefined): ChannelCredentials {
  if (tls === undefined) return ChannelCredentials.createInsecure();
  return ChannelCredentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}

main(process.argv.slice(2));
