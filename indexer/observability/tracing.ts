import { type Attributes, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { messageOf } from '../kernel/errors.ts';
import type { Redact } from './redact.ts';

/** Maximum duration of an export, including the last one when the process stops. */
const EXPORT_TIMEOUT_MS = 2_000;

/** Sends traces to an OpenTelemetry collector. */
export class Tracing {
  readonly #tracer: Tracer;
  readonly #redact: Redact;
  readonly #shutDown: () => Promise<void>;

  private constructor(tracer: Tracer, redact: Redact, shutDown: () => Promise<void>) {
    this.#tracer = tracer;
    this.#redact = redact;
    this.#shutDown = shutDown;
  }

  /**
   * Begins to send traces by OTLP over HTTP. They are dropped while the collector does not answer.
   *
   * @param endpoint the URL of the collector, such as `http://localhost:4318`
   */
  static async open(endpoint: string, version: string, redact: Redact): Promise<Tracing> {
    const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
      await Promise.all([
        import('@opentelemetry/sdk-trace'),
        import('@opentelemetry/exporter-trace-otlp-http'),
        import('@opentelemetry/resources'),
      ]);
    const url = `${endpoint.replace(/\/$/, '')}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
    const provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'audifi-indexer', 'service.version': version }),
      spanProcessors: [new BatchSpanProcessor({ exporter, exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
    });
    return new Tracing(provider.getTracer('audifi-indexer', version), redact, () => provider.shutdown());
  }

  /** Begins the trace of one batch of blocks. */
  begin(name: string, attributes: Attributes): Trace {
    return new Trace(this.#tracer, this.#redact, this.#tracer.startSpan(name, { attributes }, ROOT_CONTEXT));
  }

  /** Sends the spans that are still queued, for at most two seconds. Never throws. */
  async close(): Promise<void> {
    await this.#shutDown().catch(() => undefined);
  }
}

/** The trace of one batch of blocks. */
export class Trace {
  readonly #tracer: Tracer;
  readonly #redact: Redact;
  readonly #span: Span;

  constructor(tracer: Tracer, redact: Redact, span: Span) {
    this.#tracer = tracer;
    this.#redact = redact;
    this.#span = span;
  }

  /** Runs a step in a child span of the batch's span. If the step fails, records its error in the child span and throws it. */
  async step<T>(name: string, work: () => Promise<T>, attributes: (result: T) => Attributes): Promise<T> {
    const span = this.#tracer.startSpan(name, {}, trace.setSpan(ROOT_CONTEXT, this.#span));
    try {
      const result = await work();
      span.setAttributes(attributes(result));
      return result;
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: this.#redact(messageOf(error)) });
      throw error;
    } finally {
      span.end();
    }
  }

  /** Ends the trace, with the error if the batch failed. */
  end(error?: unknown): void {
    if (error !== undefined) {
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: this.#redact(messageOf(error)) });
    }
    this.#span.end();
  }
}
