import ArgumentParser
import CommandLineClient
import Foundation
import FramedMessages
import FramedRPC
import ProtobufFacade

extension Session {
  /// What the server says of itself.
  func schema() async throws -> Schema {
    let answer = try await call { client, options in
      try await client.unary(
        ReflectionMethods.getSchema, GetSchemaRequest(), GetSchemaResponse.self, options: options)
    }
    return try Schema(services: answer.services, fileDescriptorSet: answer.fileDescriptorSet)
  }
}

struct ServicesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "services", abstract: "List the services of the server and their methods.")

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let schema = try await session.schema()
      guard connection.output.json else { return Terminal.output.write(schema.list) }
      for method in schema.allMethods {
        Terminal.output.line(
          JSONValue.object([
            .init("method", .string(method.name)), .init("request", .string(method.request)),
            .init("response", .string(method.response)), .init("stream", .bool(method.isStream)),
          ]).text)
      }
    }
  }
}

struct DescribeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "describe", abstract: "Show a service, method, message or enum as the schema has it.",
    discussion: """
      EXAMPLES
        \(Invocation.program) describe DatasetService
        \(Invocation.program) describe CreateDataset
        \(Invocation.program) describe terrane.v1.VectorSource
      """)

  @Argument(help: "A full name, or its end.") var name: String
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let text = try await session.schema().description(of: name)
      if connection.output.json {
        Terminal.output.line(JSONValue.object([.init("schema", .string(text))]).text)
      } else {
        Terminal.output.write(text)
      }
    }
  }
}

struct CallCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "call",
    abstract: "Call any method with a request in JSON; print the answer, or a stream's values, as JSON.",
    discussion: """
      EXAMPLES
        \(Invocation.program) call ListDatasets '{"page_size": 3}'
        \(Invocation.program) call DatasetService/GetDataset \\
          '{"dataset": {"name": {"dataset_id": "demo", "resource_id": "roads", "version_id": "v1"}}}'
        \(Invocation.program) call Health/Check < request.json

      Without a request, or with -, it is read from standard input; nothing there is an empty request. See what a
      method takes with  \(Invocation.program) describe METHOD.
      """)

  @Argument(help: "package.Service/Method, or its end.") var method: String
  @Argument(help: "The request in JSON; -: from standard input.") var request: String?
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let schema = try await session.schema()
      let method = try schema.method(method)
      let body = RawMessage(try schema.encode(requestText(), as: method.request))
      func show(_ answer: RawMessage) throws {
        let json = try schema.decode(answer.bytes, as: method.response).printed
        Terminal.output.line(connection.output.json ? json.text : json.indentedText)
      }
      if method.isStream {
        let descriptor = MethodDescriptor(name: method.name, stream: .latest)
        let client = try await session.connection()
        for try await event in client.stream(descriptor, body, RawMessage.self) {
          if let message = event.message { try show(message) }
        }
      } else {
        let descriptor = MethodDescriptor(name: method.name)
        try show(
          await session.call { client, options in
            try await client.unary(descriptor, body, RawMessage.self, options: options)
          })
      }
    }
  }

  private func requestText() throws -> String {
    if let request, request != "-" { return request }
    if request == nil, isatty(0) == 1 { return "{}" }
    let text = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
    return text.allSatisfy(\.isWhitespace) ? "{}" : text
  }
}
