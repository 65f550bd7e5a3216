export { Pool, type PoolSettings } from "./pool.ts";
export { UserProcedures } from "./user-procedures.ts";
