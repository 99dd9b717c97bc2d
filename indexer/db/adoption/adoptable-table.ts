/** A table of the platform as the migrations expect it if it exists already. Types, default values and definitions are SQL. */
export type AdoptableTable = {
  readonly name: string;
  readonly columns: readonly AdoptableColumn[];
  /** The indexes besides that of the primary key. */
  readonly indexes: readonly AdoptableIndex[];
  readonly foreignKeys: readonly AdoptableForeignKey[];
};

/** A column of an adoptable table. */
export type AdoptableColumn = {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  /** The default value. Null if the column has none or is generated. */
  readonly value: string | null;
  readonly generated: boolean;
};

/** An index of an adoptable table. */
export type AdoptableIndex = { readonly name: string; readonly definition: string };

/** A foreign key of an adoptable table. */
export type AdoptableForeignKey = {
  readonly name: string;
  readonly column: string;
  /** The table that the foreign key references. */
  readonly target: string;
  readonly definition: string;
};
