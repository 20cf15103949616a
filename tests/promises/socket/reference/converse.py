"""Talks to the server at a socket through eric-sse's own SocketClient, and prints what it hears: by step, as JSON.

Ids are replaced by what they name. Run by a Python that has eric-sse: converse.py PATH
"""
import asyncio
import json
import sys
import uuid

from eric_sse.clients import SocketClient

PATIENCE = 10
PAYLOADS = ["text", "größe € 𝄞 \u2028 \n \"\\", {"bid": 1, "of": ["a", None, {"b": True}]}, 7, 2**70, 1.5, [], {}, "", None]


class Conversation:
    def __init__(self, path):
        self.path, self.client, self.names, self.heard = path, SocketClient(path), {}, {}

    async def step(self, name, answer):
        self.heard[name] = self.named(await asyncio.wait_for(answer, PATIENCE))

    async def new_id(self, name, answer):
        """An answer that is an id, known by this name from then on."""
        given = await asyncio.wait_for(answer, PATIENCE)
        assert str(uuid.UUID(given)) == given, given
        self.names[given] = f"<{name}>"
        return given

    def named(self, answer):
        if isinstance(answer, list):
            return [self.named(each) for each in answer]
        for given, name in self.names.items():
            answer = answer.replace(given, name)
        return answer

    async def streamed(self, channel, listener, count):
        """The first so many items of a stream; fewer where it ends before."""
        items = []
        stream = self.client.stream(channel, listener)
        async for item in stream:
            items.append(item)
            if len(items) == count:
                break
        await stream.aclose()
        return items

    async def watched(self, channel):
        """What a watch brings between two events that its start cannot miss."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(json.dumps({"v": "w", "c": channel}).encode())
        writer.write_eof()
        line = asyncio.ensure_future(reader.readline())
        while not line.done():
            await self.client.broadcast_message(channel, "begin", None)
            await asyncio.sleep(0.01)
        for payload in PAYLOADS:
            await self.client.broadcast_message(channel, "watched", payload)
        await self.client.broadcast_message(channel, "end", None)
        lines = [(await line).decode()]
        while '"end"' not in lines[-1]:
            lines.append((await reader.readline()).decode())
        writer.close()
        return [line for line in lines if '"begin"' not in line]

    async def run(self):
        client = self.client
        channel = await self.new_id("channel", client.create_channel())
        first = await self.new_id("first", client.register(channel))
        second = await self.new_id("second", client.register(channel))

        for number, payload in enumerate(PAYLOADS):
            await self.step(f"dispatch {number}", client.dispatch(channel, first, "dispatched", payload))
        await self.step("broadcast", client.broadcast_message(channel, "größe \"t\"", {"to": "all"}))
        await self.step("stream of the first", self.streamed(channel, first, len(PAYLOADS) + 1))
        await self.step("stream of the second", self.streamed(channel, second, 1))
        # one that has had no stream: the reference goes on with a stream that nobody reads, which takes what comes
        third = await self.new_id("third", client.register(channel))
        await self.step("closed", client.dispatch(channel, third, "_eric_channel_closed", None))
        await self.step("after closed", client.dispatch(channel, third, "after", 1))
        await self.step("stream of the closed", self.streamed(channel, third, 2))
        await self.step("watch", self.watched(channel))

        for name, answer in {
            "register nowhere": client.register("no"),
            "dispatch nowhere": client.dispatch("no", first, "t", 1),
            "dispatch to nobody": client.dispatch(channel, "no", "t", 1),
            "broadcast nowhere": client.broadcast_message("it's \"no\"", "t", 1),
            "stream of nowhere": self.streamed("no", first, 2),
            "stream of nobody": self.streamed(channel, "no", 2),
            "remove nobody": client.remove_listener(channel, "no"),
            "remove from nowhere": client.remove_listener("no", first),
            "remove nowhere": client.remove_channel("no"),
            "nothing": client.send_payload({}),
            "no such verb": client.send_payload({"v": "größe 'x'"}),
            "no type": client.send_payload({"v": "d", "c": channel, "r": first}),
            "no channel": client.send_payload({"v": "r"}),
        }.items():
            await self.step(name, answer)

        await self.step("remove the first", client.remove_listener(channel, first))
        await self.step("dispatch to the removed", client.dispatch(channel, first, "t", 1))
        await self.step("stream of the removed", self.streamed(channel, first, 2))
        await self.step("remove the channel", client.remove_channel(channel))
        await self.step("register with the removed", client.register(channel))
        return self.heard


print(json.dumps(asyncio.run(Conversation(sys.argv[1]).run())))
