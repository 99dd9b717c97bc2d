import { type Kysely, sql } from 'kysely';
import { type CatalogueModule, createModule, dropModule } from './adopt.ts';

/** Subscriptions and payments. */
const module: CatalogueModule = {
  enums: {
    plan_interval: ['monthly', 'yearly', 'lifetime'],
    subscription_status: [
      'active',
      'trialing',
      'past_due',
      'canceled',
      'unpaid',
      'incomplete',
      'incomplete_expired',
      'paused',
    ],
    invoice_status: ['draft', 'open', 'paid', 'void', 'uncollectible'],
    payment_provider_type: ['stripe', 'crypto_eth', 'crypto_sol', 'paypal', 'apple_pay'],
  },
  tables: {
    subscription_plans: sql`
      id uuid not null default gen_random_uuid() primary key,
      name varchar(100) not null,
      slug varchar(50) not null,
      description text,
      price_usd numeric(10,2) not null,
      "interval" plan_interval not null,
      stripe_price_id varchar(100),
      stripe_product_id varchar(100),
      max_masters integer,
      max_ipos_per_month integer,
      vstudio_sessions_included integer,
      features jsonb,
      feature_list jsonb,
      is_active boolean not null default true,
      is_public boolean not null default true,
      display_order integer not null default 0,
      trial_days integer default 0,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    subscriptions: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      plan_id uuid not null,
      status subscription_status not null default 'active',
      current_period_start timestamptz not null,
      current_period_end timestamptz not null,
      trial_start timestamptz,
      trial_end timestamptz,
      cancel_at_period_end boolean not null default false,
      canceled_at timestamptz,
      cancellation_reason text,
      stripe_subscription_id varchar(100),
      stripe_customer_id varchar(100),
      default_payment_method_id varchar(100),
      metadata jsonb,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    invoices: sql`
      id uuid not null default gen_random_uuid() primary key,
      subscription_id uuid,
      user_id uuid not null,
      invoice_number varchar(50),
      stripe_invoice_id varchar(100),
      stripe_payment_intent_id varchar(100),
      amount_due numeric(10,2) not null,
      amount_paid numeric(10,2) not null default '0',
      currency varchar(3) not null default 'usd',
      status invoice_status not null default 'open',
      period_start timestamptz,
      period_end timestamptz,
      due_date timestamptz,
      paid_at timestamptz,
      hosted_invoice_url text,
      invoice_pdf_url text,
      line_items jsonb,
      metadata jsonb,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    payment_methods: sql`
      id uuid not null default gen_random_uuid() primary key,
      user_id uuid not null,
      stripe_payment_method_id varchar(100),
      payment_method_type varchar(50) not null,
      display_name varchar(100),
      brand varchar(50),
      last4 varchar(4),
      expiry_month integer,
      expiry_year integer,
      is_default boolean not null default false,
      is_expired boolean not null default false,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
    payment_providers: sql`
      id uuid not null default gen_random_uuid() primary key,
      name varchar(100) not null,
      provider_type payment_provider_type not null,
      is_enabled boolean not null default false,
      is_default boolean not null default false,
      supported_currencies jsonb,
      supported_regions jsonb,
      webhook_endpoint text,
      webhook_secret text,
      config_json text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    `,
  },
  foreignKeys: {
    'subscriptions.plan_id': sql`
      alter table subscriptions add constraint subscriptions_plan_id_subscription_plans_id_fk
      foreign key (plan_id) references subscription_plans (id)
    `,
    'subscriptions.user_id': sql`
      alter table subscriptions add constraint subscriptions_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'invoices.subscription_id': sql`
      alter table invoices add constraint invoices_subscription_id_subscriptions_id_fk
      foreign key (subscription_id) references subscriptions (id)
    `,
    'invoices.user_id': sql`
      alter table invoices add constraint invoices_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
    'payment_methods.user_id': sql`
      alter table payment_methods add constraint payment_methods_user_id_users_id_fk
      foreign key (user_id) references users (id)
    `,
  },
  indexes: {
    subscription_plans_active_idx: sql`create index subscription_plans_active_idx on subscription_plans (is_active)`,
    subscription_plans_order_idx: sql`create index subscription_plans_order_idx on subscription_plans (display_order)`,
    subscription_plans_slug_idx: sql`create unique index subscription_plans_slug_idx on subscription_plans (slug)`,
    subscriptions_period_end_idx: sql`create index subscriptions_period_end_idx on subscriptions (current_period_end)`,
    subscriptions_plan_id_idx: sql`create index subscriptions_plan_id_idx on subscriptions (plan_id)`,
    subscriptions_status_idx: sql`create index subscriptions_status_idx on subscriptions (status)`,
    subscriptions_stripe_customer_idx: sql`
      create index subscriptions_stripe_customer_idx on subscriptions (stripe_customer_id)
    `,
    subscriptions_stripe_sub_id_idx: sql`
      create index subscriptions_stripe_sub_id_idx on subscriptions (stripe_subscription_id)
    `,
    subscriptions_user_id_idx: sql`create index subscriptions_user_id_idx on subscriptions (user_id)`,
    invoices_due_date_idx: sql`create index invoices_due_date_idx on invoices (due_date)`,
    invoices_status_idx: sql`create index invoices_status_idx on invoices (status)`,
    invoices_stripe_invoice_id_idx: sql`
      create unique index invoices_stripe_invoice_id_idx on invoices (stripe_invoice_id)
    `,
    invoices_subscription_id_idx: sql`create index invoices_subscription_id_idx on invoices (subscription_id)`,
    invoices_user_id_idx: sql`create index invoices_user_id_idx on invoices (user_id)`,
    payment_methods_default_idx: sql`create index payment_methods_default_idx on payment_methods (is_default)`,
    payment_methods_stripe_pm_id_idx: sql`
      create unique index payment_methods_stripe_pm_id_idx on payment_methods (stripe_payment_method_id)
    `,
    payment_methods_user_id_idx: sql`create index payment_methods_user_id_idx on payment_methods (user_id)`,
    payment_providers_enabled_idx: sql`create index payment_providers_enabled_idx on payment_providers (is_enabled)`,
    payment_providers_type_idx: sql`
      create unique index payment_providers_type_idx on payment_providers (provider_type)
    `,
  },
};

export const up = (db: Kysely<unknown>): Promise<void> => createModule(db, module);
export const down = (db: Kysely<unknown>): Promise<void> => dropModule(db, module);
