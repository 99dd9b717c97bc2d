import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Vstudio sessions. */
const module: CatalogueModule = {
  enums: {
    vstudio_session_status: ['draft', 'scheduled', 'live', 'locked', 'completed', 'ipo_launched', 'cancelled'],
    decision_point_type: ['poll', 'slider', 'ranking', 'open_text', 'binary'],
    eligibility_rule: ['open', 'authenticated', 'nft_holders', 'coin_holders', 'subscribers', 'superfans', 'whitelist'],
    engagement_event_type: [
      'session_view',
      'session_join',
      'vote_cast',
      'chat_message',
      'reaction',
      'share',
      'bookmark',
    ],
  },
  tables: {
    vstudio_sessions: sql`
      id uuid not null default gen_random_uuid() primary key,
      master_id uuid not null,
      artist_id uuid not null,
      title varchar(255) not null,
      description text,
      slug varchar(150),
      session_type varchar(50),
      status vstudio_session_status not null default 'draft',
      scheduled_start_at timestamptz,
      scheduled_end_at timestamptz,
      actual_start_at timestamptz,
      actual_end_at timestamptz,
      is_public boolean not null default true,
      allow_anonymous boolean not null default false,
      max_participants integer,
      cover_image_url text,
      background_color varchar(20),
      participant_count integer not null default 0,
      total_votes integer not null default 0,
      peak_concurrent_viewers integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    vstudio_decision_points: sql`
      id uuid not null default gen_random_uuid() primary key,
      vstudio_session_id uuid not null,
      type decision_point_type not null,
      label varchar(255) not null,
      description text,
      options jsonb,
      slider_min integer,
      slider_max integer,
      slider_step integer,
      slider_labels jsonb,
      eligibility_rule eligibility_rule not null default 'open',
      eligibility_config jsonb,
      superfan_weight_multiplier numeric(5,2) default 1.0,
      nft_holder_weight numeric(5,2) default 1.0,
      start_time timestamptz,
      end_time timestamptz,
      is_active boolean not null default false,
      display_order integer not null default 0,
      results_json jsonb,
      results_computed_at timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    vstudio_participants: sql`
      id uuid not null default gen_random_uuid() primary key,
      vstudio_session_id uuid not null,
      user_id uuid,
      wallet_address varchar(255),
      joined_at timestamptz not null default now(),
      left_at timestamptz,
      votes_count integer not null default 0,
      messages_count integer not null default 0,
      reactions_count integer not null default 0,
      total_time_seconds integer not null default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    vstudio_votes: sql`
      id uuid not null default gen_random_uuid() primary key,
      decision_point_id uuid not null,
      vstudio_session_id uuid not null,
      user_id uuid,
      wallet_address varchar(255),
      anonymous_id varchar(100),
      option_selected varchar(100),
      slider_value numeric(10,2),
      text_response text,
      ranking_order jsonb,
      weight numeric(10,4) not null default 1.0,
      verified_nft_holder boolean not null default false,
      verified_coin_holder boolean not null default false,
      verified_subscriber boolean not null default false,
      client_ip_hash varchar(64),
      user_agent varchar(500),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    vstudio_chat_messages: sql`
      id uuid not null default gen_random_uuid() primary key,
      vstudio_session_id uuid not null,
      user_id uuid,
      message text not null,
      is_moderated boolean not null default false,
      moderated_at timestamptz,
      moderated_by uuid,
      moderation_reason varchar(200),
      is_highlighted boolean not null default false,
      is_pinned boolean not null default false,
      created_at timestamptz not null default now()
    `,
    vstudio_engagement_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      vstudio_session_id uuid not null,
      user_id uuid,
      wallet_address varchar(255),
      event_type engagement_event_type not null,
      event_data jsonb,
      decision_point_id uuid,
      created_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'vstudio_sessions.artist_id': sql`
      alter table vstudio_sessions add constraint vstudio_sessions_artist_id_artists_id_fk
      foreign key (artist_id) references artists (id)
    `,
    'vstudio_sessions.master_id': sql`
      alter table vstudio_sessions add constraint vstudio_sessions_master_id_masters_id_fk
      foreign key (master_id) references masters (id)
    `,
    'vstudio_decision_points.vstudio_session_id': sql`
      alter table vstudio_decision_points add constraint vstudio_decision_points_vstudio_session_id_vstudio_sessions_id_
      foreign key (vstudio_session_id) references vstudio_sessions (id) on delete cascade
    `,
    'vstudio_participants.user_id': sql`
      alter table vstudio_participants add constraint vstudio_participants_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'vstudio_participants.vstudio_session_id': sql`
      alter table vstudio_participants add constraint vstudio_participants_vstudio_session_id_vstudio_sessions_id_fk
      foreign key (vstudio_session_id) references vstudio_sessions (id) on delete cascade
    `,
    'vstudio_votes.decision_point_id': sql`
      alter table vstudio_votes add constraint vstudio_votes_decision_point_id_vstudio_decision_points_id_fk
      foreign key (decision_point_id) references vstudio_decision_points (id) on delete cascade
    `,
    'vstudio_votes.user_id': sql`
      alter table vstudio_votes add constraint vstudio_votes_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'vstudio_votes.vstudio_session_id': sql`
      alter table vstudio_votes add constraint vstudio_votes_vstudio_session_id_vstudio_sessions_id_fk
      foreign key (vstudio_session_id) references vstudio_sessions (id)
    `,
    'vstudio_chat_messages.moderated_by': sql`
      alter table vstudio_chat_messages add constraint vstudio_chat_messages_moderated_by_users_id_fk
      foreign key (moderated_by) references users (id)
    `,
    'vstudio_chat_messages.user_id': sql`
      alter table vstudio_chat_messages add constraint vstudio_chat_messages_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'vstudio_chat_messages.vstudio_session_id': sql`
      alter table vstudio_chat_messages add constraint vstudio_chat_messages_vstudio_session_id_vstudio_sessions_id_fk
      foreign key (vstudio_session_id) references vstudio_sessions (id) on delete cascade
    `,
    'vstudio_engagement_events.decision_point_id': sql`
      alter table vstudio_engagement_events add constraint vstudio_engagement_events_decision_point_id_vstudio_decision_po
      foreign key (decision_point_id) references vstudio_decision_points (id)
    `,
    'vstudio_engagement_events.user_id': sql`
      alter table vstudio_engagement_events add constraint vstudio_engagement_events_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'vstudio_engagement_events.vstudio_session_id': sql`
      alter table vstudio_engagement_events add constraint vstudio_engagement_events_vstudio_session_id_vstudio_sessions_i
      foreign key (vstudio_session_id) references vstudio_sessions (id) on delete cascade
    `,
  },
  indexes: {
    vstudio_sessions_artist_id_idx: sql`create index vstudio_sessions_artist_id_idx on vstudio_sessions (artist_id)`,
    vstudio_sessions_master_id_idx: sql`create index vstudio_sessions_master_id_idx on vstudio_sessions (master_id)`,
    vstudio_sessions_slug_idx: sql`create unique index vstudio_sessions_slug_idx on vstudio_sessions (slug)`,
    vstudio_sessions_start_at_idx: sql`
      create index vstudio_sessions_start_at_idx on vstudio_sessions (scheduled_start_at)
    `,
    vstudio_sessions_status_idx: sql`create index vstudio_sessions_status_idx on vstudio_sessions (status)`,
    vstudio_decision_points_active_idx: sql`
      create index vstudio_decision_points_active_idx on vstudio_decision_points (is_active)
    `,
    vstudio_decision_points_order_idx: sql`
      create index vstudio_decision_points_order_idx on vstudio_decision_points (display_order)
    `,
    vstudio_decision_points_session_id_idx: sql`
      create index vstudio_decision_points_session_id_idx on vstudio_decision_points (vstudio_session_id)
    `,
    vstudio_decision_points_type_idx: sql`
      create index vstudio_decision_points_type_idx on vstudio_decision_points (type)
    `,
    vstudio_participants_session_id_idx: sql`
      create index vstudio_participants_session_id_idx on vstudio_participants (vstudio_session_id)
    `,
    vstudio_participants_session_user_idx: sql`
      create unique index vstudio_participants_session_user_idx on vstudio_participants (vstudio_session_id, user_id)
    `,
    vstudio_participants_session_wallet_idx: sql`
      create unique index vstudio_participants_session_wallet_idx on vstudio_participants (vstudio_session_id, wallet_address)
    `,
    vstudio_participants_user_id_idx: sql`
      create index vstudio_participants_user_id_idx on vstudio_participants (user_id)
    `,
    vstudio_votes_created_at_idx: sql`create index vstudio_votes_created_at_idx on vstudio_votes (created_at)`,
    vstudio_votes_decision_point_idx: sql`
      create index vstudio_votes_decision_point_idx on vstudio_votes (decision_point_id)
    `,
    vstudio_votes_session_id_idx: sql`create index vstudio_votes_session_id_idx on vstudio_votes (vstudio_session_id)`,
    vstudio_votes_user_decision_idx: sql`
      create unique index vstudio_votes_user_decision_idx on vstudio_votes (user_id, decision_point_id)
    `,
    vstudio_votes_user_id_idx: sql`create index vstudio_votes_user_id_idx on vstudio_votes (user_id)`,
    vstudio_votes_wallet_decision_idx: sql`
      create unique index vstudio_votes_wallet_decision_idx on vstudio_votes (wallet_address, decision_point_id)
    `,
    vstudio_votes_wallet_idx: sql`create index vstudio_votes_wallet_idx on vstudio_votes (wallet_address)`,
    vstudio_chat_created_at_idx: sql`create index vstudio_chat_created_at_idx on vstudio_chat_messages (created_at)`,
    vstudio_chat_session_id_idx: sql`
      create index vstudio_chat_session_id_idx on vstudio_chat_messages (vstudio_session_id)
    `,
    vstudio_chat_user_id_idx: sql`create index vstudio_chat_user_id_idx on vstudio_chat_messages (user_id)`,
    vstudio_events_created_at_idx: sql`
      create index vstudio_events_created_at_idx on vstudio_engagement_events (created_at)
    `,
    vstudio_events_event_type_idx: sql`
      create index vstudio_events_event_type_idx on vstudio_engagement_events (event_type)
    `,
    vstudio_events_session_id_idx: sql`
      create index vstudio_events_session_id_idx on vstudio_engagement_events (vstudio_session_id)
    `,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
