/** A table of the platform, as the migrations that adopt it expect it. Names and definitions are SQL. */
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
  /** The default. Null if there is none or the column is generated. */
  readonly value: string | null;
  readonly generated: boolean;
};

/** An index of an adoptable table. */
export type AdoptableIndex = { readonly name: string; readonly definition: string };

/** A foreign key of an adoptable table. */
export type AdoptableForeignKey = {
  readonly name: string;
  readonly column: string;
  /** The table that it references. */
  readonly target: string;
  readonly definition: string;
};
