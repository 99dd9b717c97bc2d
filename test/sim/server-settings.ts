/**
 * PostgreSQL's settings for the simulation. Deadlocks are resolved after 20 ms. With PostgreSQL's default of one second, a run would
 * mostly wait for deadlocks, which the program retries. Statements are planned once per connection, since planning takes longer than
 * executing them over so few rows.
 */
export const SERVER_SETTINGS = { deadlock_timeout: '20ms', plan_cache_mode: 'force_generic_plan' };
