// The contract eric.v1, and the details of its errors: messages, enums, and the service for any transport of Connect.

export * from "./gen/eric/v1/acknowledgement_pb.js";
export * from "./gen/eric/v1/channel_pb.js";
export * from "./gen/eric/v1/dispatcher_pb.js";
export * from "./gen/eric/v1/listener_pb.js";
export * from "./gen/eric/v1/message_pb.js";
export * from "./gen/eric/v1/publish_pb.js";
export * from "./gen/eric/v1/server_pb.js";
export * from "./gen/eric/v1/stream_pb.js";
export * from "./gen/google/rpc/error_details_pb.js";
export * from "./gen/google/rpc/status_pb.js";
