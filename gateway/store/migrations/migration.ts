/** One step of the schema: what brings a store of the version before to `version`. Never edited once released. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}
