/** The roles, least first; each may do all that the ones before it may. */
export const ROLES = ["viewer", "operator", "admin"] as const;

/** What a controller or a gateway may do. */
export type Role = (typeof ROLES)[number];

/** True when `role` may do what asks for `needed`. */
export function roleAllows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** True when `value` names a role. */
export function isRole(value: unknown): value is Role {
  return typeof value === "string" && (ROLES as readonly string[]).includes(value);
}
