import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Artists, producers and who follows them. */
const module: CatalogueModule = {
  enums: {},
  tables: {
    artists: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      artist_name varchar(150) not null,
      slug varchar(150) not null,
      bio text,
      short_bio varchar(280),
      genre varchar(100),
      location varchar(200),
      profile_image_url text,
      banner_image_url text,
      social_links jsonb,
      music_platforms jsonb,
      is_verified boolean not null default false,
      verified_at timestamptz,
      is_active boolean not null default true,
      total_masters integer not null default 0,
      total_sales integer not null default 0,
      follower_count integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    producers: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      producer_name varchar(150) not null,
      slug varchar(150) not null,
      bio text,
      specialty varchar(200),
      profile_image_url text,
      social_links jsonb,
      is_verified boolean not null default false,
      verified_at timestamptz,
      is_active boolean not null default true,
      total_credits integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    artist_follows: sql`
      id uuid not null default gen_random_uuid() primary key,
      artist_id uuid not null,
      follower_id uuid not null,
      created_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'artists.user_id': sql`
      alter table artists add constraint artists_user_id_users_id_fk
      foreign key (user_id) references users (id) on delete cascade
    `,
    'producers.user_id': sql`
      alter table producers add constraint producers_user_id_users_id_fk
      foreign key (user_id) references users (id) on delete cascade
    `,
    'artist_follows.artist_id': sql`
      alter table artist_follows add constraint artist_follows_artist_id_artists_id_fk
      foreign key (artist_id) references artists (id) on delete cascade
    `,
    'artist_follows.follower_id': sql`
      alter table artist_follows add constraint artist_follows_follower_id_users_id_fk
      foreign key (follower_id) references users (id) on delete cascade
    `,
  },
  indexes: {
    artists_genre_idx: sql`create index artists_genre_idx on artists (genre)`,
    artists_name_idx: sql`create index artists_name_idx on artists (artist_name)`,
    artists_slug_idx: sql`create unique index artists_slug_idx on artists (slug)`,
    artists_user_id_idx: sql`create unique index artists_user_id_idx on artists (user_id)`,
    artists_verified_idx: sql`create index artists_verified_idx on artists (is_verified)`,
    producers_name_idx: sql`create index producers_name_idx on producers (producer_name)`,
    producers_slug_idx: sql`create unique index producers_slug_idx on producers (slug)`,
    producers_user_id_idx: sql`create unique index producers_user_id_idx on producers (user_id)`,
    artist_follows_artist_follower_idx: sql`
      create unique index artist_follows_artist_follower_idx on artist_follows (artist_id, follower_id)
    `,
    artist_follows_artist_id_idx: sql`create index artist_follows_artist_id_idx on artist_follows (artist_id)`,
    artist_follows_follower_id_idx: sql`create index artist_follows_follower_id_idx on artist_follows (follower_id)`,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
