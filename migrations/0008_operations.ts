import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Audit, security, system events, limits and webhooks. */
const module: CatalogueModule = {
  enums: {
    audit_action_category: [
      'authentication',
      'authorization',
      'master',
      'ipo',
      'revenue',
      'subscription',
      'vstudio',
      'admin',
      'system',
    ],
    security_event_type: [
      'failed_login',
      'suspicious_activity',
      'rate_limit_exceeded',
      'invalid_token',
      'unauthorized_access',
      'data_export',
      'admin_action',
      'configuration_change',
      'vulnerability_detected',
      'unusual_pattern',
    ],
    security_severity: ['info', 'low', 'medium', 'high', 'critical'],
    webhook_status: ['pending', 'processing', 'processed', 'failed', 'skipped'],
  },
  tables: {
    audit_logs: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid,
      actor_type varchar(50) not null,
      actor_identifier varchar(255),
      action_category audit_action_category not null,
      action varchar(100) not null,
      description text,
      target_type varchar(50),
      target_id uuid,
      target_identifier varchar(255),
      previous_state jsonb,
      new_state jsonb,
      changed_fields jsonb,
      ip_address inet,
      user_agent varchar(500),
      request_id varchar(100),
      success boolean not null default true,
      error_message text,
      metadata jsonb,
      created_at timestamptz not null default now()
    `,
    security_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      event_type security_event_type not null,
      severity security_severity not null,
      user_id uuid,
      wallet_address varchar(255),
      title varchar(200) not null,
      description text,
      ip_address inet,
      user_agent varchar(500),
      request_path varchar(500),
      request_method varchar(10),
      event_data jsonb,
      is_investigated boolean not null default false,
      investigated_by uuid,
      investigated_at timestamptz,
      investigation_notes text,
      is_resolved boolean not null default false,
      resolution varchar(100),
      resolved_at timestamptz,
      created_at timestamptz not null default now()
    `,
    system_events: sql`
      id uuid not null default gen_random_uuid() primary key,
      event_type varchar(100) not null,
      source varchar(100) not null,
      message text,
      job_id varchar(100),
      entity_type varchar(50),
      entity_id uuid,
      duration_ms integer,
      records_processed integer,
      success boolean not null default true,
      error_message text,
      error_stack text,
      metadata jsonb,
      created_at timestamptz not null default now()
    `,
    rate_limits: sql`
      id uuid not null default gen_random_uuid() primary key,
      identifier varchar(255) not null,
      identifier_type varchar(50) not null,
      action varchar(100) not null,
      window_start timestamptz not null,
      window_end timestamptz not null,
      request_count integer not null default 0,
      rate_limit integer not null,
      is_blocked boolean not null default false,
      blocked_until timestamptz,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    webhooks_log: sql`
      id uuid not null default gen_random_uuid() primary key,
      provider_name varchar(100) not null,
      provider_id uuid,
      event_type varchar(100) not null,
      event_id varchar(100),
      payload_metadata jsonb,
      status webhook_status not null default 'pending',
      processed_at timestamptz,
      processing_error text,
      retry_count integer not null default 0,
      ip_address varchar(45),
      user_agent varchar(500),
      created_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'audit_logs.user_id': sql`
      alter table audit_logs add constraint audit_logs_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'security_events.investigated_by': sql`
      alter table security_events add constraint security_events_investigated_by_users_id_fk
      foreign key (investigated_by) references users (id)
    `,
    'security_events.user_id': sql`
      alter table security_events add constraint security_events_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'webhooks_log.provider_id': sql`
      alter table webhooks_log add constraint webhooks_log_provider_id_payment_providers_id_fk
      foreign key (provider_id) references payment_providers (id)
    `,
  },
  indexes: {
    audit_logs_action_category_idx: sql`create index audit_logs_action_category_idx on audit_logs (action_category)`,
    audit_logs_action_idx: sql`create index audit_logs_action_idx on audit_logs (action)`,
    audit_logs_created_at_idx: sql`create index audit_logs_created_at_idx on audit_logs (created_at)`,
    audit_logs_request_id_idx: sql`create index audit_logs_request_id_idx on audit_logs (request_id)`,
    audit_logs_target_id_idx: sql`create index audit_logs_target_id_idx on audit_logs (target_id)`,
    audit_logs_target_type_idx: sql`create index audit_logs_target_type_idx on audit_logs (target_type)`,
    audit_logs_user_id_idx: sql`create index audit_logs_user_id_idx on audit_logs (user_id)`,
    security_events_created_at_idx: sql`create index security_events_created_at_idx on security_events (created_at)`,
    security_events_event_type_idx: sql`create index security_events_event_type_idx on security_events (event_type)`,
    security_events_investigated_idx: sql`
      create index security_events_investigated_idx on security_events (is_investigated)
    `,
    security_events_ip_address_idx: sql`create index security_events_ip_address_idx on security_events (ip_address)`,
    security_events_severity_idx: sql`create index security_events_severity_idx on security_events (severity)`,
    security_events_user_id_idx: sql`create index security_events_user_id_idx on security_events (user_id)`,
    system_events_created_at_idx: sql`create index system_events_created_at_idx on system_events (created_at)`,
    system_events_event_type_idx: sql`create index system_events_event_type_idx on system_events (event_type)`,
    system_events_job_id_idx: sql`create index system_events_job_id_idx on system_events (job_id)`,
    system_events_source_idx: sql`create index system_events_source_idx on system_events (source)`,
    system_events_success_idx: sql`create index system_events_success_idx on system_events (success)`,
    rate_limits_blocked_idx: sql`create index rate_limits_blocked_idx on rate_limits (is_blocked)`,
    rate_limits_identifier_action_idx: sql`
      create index rate_limits_identifier_action_idx on rate_limits (identifier, action)
    `,
    rate_limits_window_end_idx: sql`create index rate_limits_window_end_idx on rate_limits (window_end)`,
    webhooks_log_created_at_idx: sql`create index webhooks_log_created_at_idx on webhooks_log (created_at)`,
    webhooks_log_event_id_idx: sql`create unique index webhooks_log_event_id_idx on webhooks_log (event_id)`,
    webhooks_log_event_type_idx: sql`create index webhooks_log_event_type_idx on webhooks_log (event_type)`,
    webhooks_log_provider_idx: sql`create index webhooks_log_provider_idx on webhooks_log (provider_name)`,
    webhooks_log_status_idx: sql`create index webhooks_log_status_idx on webhooks_log (status)`,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
