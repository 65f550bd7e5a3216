// A process that looks for `_tether._tcp` on the interface of this address, and writes what it found, or null.
import { Bonjour, type ServiceConfig } from "bonjour-service";

const [address = ""] = process.argv.slice(2);
const link: object = { interface: address, bind: "0.0.0.0" };
const bonjour = new Bonjour(link as Partial<ServiceConfig>);
bonjour.findOne({ type: "tether" }, 1_500, (service: { [key: string]: unknown } | null) => {
  const { name, host, port, txt, addresses } = service ?? {};
  process.stdout.write(JSON.stringify(service && { name, host, port, txt, addresses }), () =>
    process.exit(0),
  );
});
