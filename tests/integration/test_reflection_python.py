#!/usr/bin/python3
"""The server as grpcio's own reflection client sees it: no .proto file of ours.

A whole call is made from what the server says of itself.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "support"))
import harness
import tools

tools.need("grpcio-reflection")
sys.path.append(tools.tool("grpcio-reflection"))
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)


class Client(harness.PeykTest):
    tls = False

    def setUp(self):
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{self.server.port}")
        self.addCleanup(self.channel.close)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def test_services(self):
        services = list(self.database.get_services())
        self.assertIn("peyk.v1.Messenger", services)
        for name in services:
            service = self.pool.FindServiceByName(name)
            self.assertTrue(service.methods, name)

    def test_what_services_need_resolves(self):
        """Messages of every method, and all that they hold."""
        seen = set()

        def look_at(message):
            if message.full_name in seen:
                return
            seen.add(message.full_name)
            for field in message.fields:
                if field.message_type is not None:
                    look_at(field.message_type)

        for name in self.database.get_services():
            for method in self.pool.FindServiceByName(name).methods:
                look_at(method.input_type)
                look_at(method.output_type)
        # What sealed methods carry is named by a text only.
        for name in ("SendRequest", "PollResponse", "MessageContent"):
            look_at(self.pool.FindMessageTypeByName("peyk.v1." + name))
        look_at(self.pool.FindMessageTypeByName("google.rpc.RetryInfo"))
        self.assertIn("peyk.v1.SealedRequest", seen)
        self.assertIn("google.protobuf.Duration", seen)

    def test_extensions(self):
        name = "google.protobuf.MethodOptions"
        self.assertEqual(self.database.FindAllExtensionNumbers(name),
                         [50801])
        self.assertEqual(
            self.pool.FindExtensionByName("peyk.v1.payload").number, 50801)

    def test_unknown(self):
        for find in (self.pool.FindServiceByName,
                     self.pool.FindMessageTypeByName,
                     self.pool.FindFileByName):
            self.assertRaises(KeyError, find, "peyk.v1.Nothing")

    def test_a_call(self):
        method = self.pool.FindMethodByName("peyk.v1.Messenger.GetServerInfo")
        messages = message_factory.MessageFactory(self.pool)
        request = messages.GetPrototype(method.input_type)
        response = messages.GetPrototype(method.output_type)
        info = messages.GetPrototype(self.pool.FindMessageTypeByName(
            "peyk.v1.ServerInfo"))
        answer = self.channel.unary_unary(
            "/peyk.v1.Messenger/GetServerInfo",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)(request(), timeout=60)
        self.assertEqual(len(info.FromString(answer.info).identity_key), 32)


if __name__ == "__main__":
    harness.main()
