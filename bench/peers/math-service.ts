import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** The gRPC service of `math.proto`. */
export function mathService(protoFile: string): ServiceClientConstructor {
  const loaded: GrpcObject = loadPackageDefinition(loadSync(protoFile));
  return loaded.Math as ServiceClientConstructor;
}
