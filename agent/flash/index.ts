export { flashProcedures } from "./procedure.ts";
