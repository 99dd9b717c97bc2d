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
    'artists.user_id': 'users (id) on delete cascade',
    'producers.user_id': 'users (id) on delete cascade',
    'artist_follows.artist_id': 'artists (id) on delete cascade',
    'artist_follows.follower_id': 'users (id) on delete cascade',
  },
  indexes: {
    artists_genre_idx: 'artists (genre)',
    artists_name_idx: 'artists (artist_name)',
    artists_verified_idx: 'artists (is_verified)',
    producers_name_idx: 'producers (producer_name)',
    artist_follows_artist_id_idx: 'artist_follows (artist_id)',
    artist_follows_follower_id_idx: 'artist_follows (follower_id)',
  },
  uniqueIndexes: {
    artists_slug_idx: 'artists (slug)',
    artists_user_id_idx: 'artists (user_id)',
    producers_slug_idx: 'producers (slug)',
    producers_user_id_idx: 'producers (user_id)',
    artist_follows_artist_follower_idx: 'artist_follows (artist_id, follower_id)',
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
