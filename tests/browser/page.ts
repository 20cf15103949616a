// A page that speaks gRPC-Web with a server, through the TypeScript that is generated from the contract.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import {
  AcknowledgementMode,
  type Batch,
  DispatcherService,
  ErrorInfoSchema,
  type Gap,
} from "../../clients/typescript/src/index.js";

/** What Node.js reads of a refusal. */
interface Refused {
  code: string;
  reason: string | undefined;
  channel: string | undefined;
}

function connect(url: string) {
  return createClient(DispatcherService, createGrpcWebTransport({ baseUrl: url }));
}

/** Sets a stage, and sends some numbers to an explicit listener by each of the verbs that send. */
async function send(url: string, channel: string) {
  const client = connect(url);
  const created = await client.createChannel({ channel });
  const { listener } = await client.register({
    channel,
    listener: "page",
    acknowledgementMode: AcknowledgementMode.EXPLICIT,
  });
  const message = (n: number) => ({ type: "number", payload: { case: "json" as const, value: String(n) } });
  const dispatched = await client.dispatch({ channel, listener: "page", message: message(0) });
  const broadcast = await client.broadcast({ channel, message: message(1) });
  const published = await client.publishBatch({
    publications: [2, 3].map((n) => ({ channel, receiver: { case: "broadcast" as const, value: true }, message: message(n) })),
  });
  const { incarnation } = await client.getServer({});
  return {
    existed: created.existed,
    backlog: listener?.backlogMessages,
    receivers: [dispatched.receipt?.receivers, broadcast.receipt?.receivers],
    published: published.results.map((result) => result.outcome.case),
    incarnation,
  };
}

/** Listens until so many deliveries have come, acknowledges them, and goes. */
async function listen(url: string, channel: string, count: number) {
  const client = connect(url);
  const leaving = new AbortController();
  const numbers: string[] = [];
  const gaps: Gap[] = [];
  let opened: string | undefined;
  try {
    const subscriptions = [{ channel, listener: "page" }];
    for await (const response of client.listen({ subscriptions }, { signal: leaving.signal })) {
      opened ??= response.opened?.incarnation;
      for (const batch of response.batches) {
        gaps.push(...batch.gaps);
        numbers.push(...batch.deliveries.map(content));
        await acknowledge(client, channel, batch);
      }
      if (numbers.length >= count) leaving.abort();
    }
  } catch (error) {
    if (ConnectError.from(error).code !== Code.Canceled) throw error;
  }
  const { listener } = await client.getListener({ channel, listener: "page" });
  return { opened, numbers, gaps: gaps.length, waiting: listener?.backlogMessages };
}

function content(delivery: Batch["deliveries"][number]): string {
  const payload = delivery.message?.payload;
  return payload?.case === "json" ? payload.value : `a payload of the kind ${payload?.case}`;
}

async function acknowledge(client: ReturnType<typeof connect>, channel: string, batch: Batch) {
  const last = batch.deliveries.at(-1);
  if (last === undefined) return;
  const { generation } = batch;
  await client.acknowledge({ items: [{ channel, listener: "page", generation, throughSequence: last.sequence }] });
}

/** Asks for a channel that is not there. */
async function ask(url: string, channel: string): Promise<Refused | undefined> {
  try {
    await connect(url).getChannel({ channel });
    return undefined;
  } catch (error) {
    const refused = ConnectError.from(error);
    const [info] = refused.findDetails(ErrorInfoSchema);
    return { code: Code[refused.code], reason: info?.reason, channel: info?.metadata.channel };
  }
}

Object.assign(globalThis, { send, listen, ask });
