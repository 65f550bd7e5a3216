/** Where the FTP tests look for it. */
export { freePort } from "../free-port.ts";
