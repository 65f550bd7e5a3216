export { FtpGateway } from "./ftp-gateway.ts";
