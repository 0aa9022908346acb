/// Emits client and server stubs of services against FramedRPC; one file a service.
public struct SwiftServiceEmitter: Sendable {
  /// The module that is generated.
  public var module: String
  /// Modules of the types that are declared elsewhere.
  public var imports: [String]

  public init(module: String, imports: [String]) {
    self.module = module
    self.imports = imports
  }

  public func emit(_ schema: Schema) -> [GeneratedFile] {
    let own = Set(schema.files.map(\.path))
    return schema.files.flatMap { file in
      file.services.map { service in
        var text = SourceText()
        text.lines(SwiftMessageEmitter.banner(file.path))
        text.line("public import FramedRPC")
        let types = service.methods.flatMap { [$0.request, $0.response] }
        if types.contains(where: { !own.contains($0.file) }) { text.lines(imports.map { "public import \($0)" }) }
        text.line()
        descriptors(service, into: &text)
        text.line()
        server(service, into: &text)
        text.line()
        client(service, into: &text)
        let package = file.package.split(separator: ".").joined(separator: "_")
        return GeneratedFile(path: "\(package)_\(service.name).swift", text: text.text)
      }
    }
  }

  private func name(_ method: SchemaMethod) -> String {
    SwiftNames.escape(method.name.prefix(1).lowercased() + method.name.dropFirst())
  }

  private func descriptors(_ service: SchemaService, into text: inout SourceText) {
    text.documentation(["What the schema says of the methods of `\(service.fullName)`."])
    text.block("public enum \(service.name)Methods {") { text in
      for method in service.methods {
        text.documentation(method.documentation)
        let arguments = arguments(of: method, in: service)
        text.line("public static let \(name(method)) = MethodDescriptor(\(arguments.joined(separator: ", ")))")
      }
      text.line()
      text.documentation(["In the schema's order."])
      text.line("public static let all: [MethodDescriptor] = [\(service.methods.map(name).joined(separator: ", "))]")
    }
  }

  private func arguments(of method: SchemaMethod, in service: SchemaService) -> [String] {
    let options = method.options
    var result = ["name: \(literal("\(service.fullName)/\(method.name)"))"]
    if options.stream != .none { result.append("stream: .\(options.stream)") }
    if !options.key.isEmpty {
      result.append("keyField: \(literal(options.key))")
      result.append("keyNumber: \(options.keyNumber)")
    }
    switch options.idempotency {
    case .unspecified: break
    case .idempotent: result.append("idempotency: .idempotent")
    case .requestID: result.append("idempotency: .requestID")
    }
    if !options.role.isEmpty { result.append("role: \(literal(options.role))") }
    if options.defaultTimeoutMilliseconds != 0 {
      result.append("defaultTimeout: .milliseconds(\(options.defaultTimeoutMilliseconds))")
    }
    if !options.reasons.isEmpty {
      result.append("reasons: [\(options.reasons.map(literal).joined(separator: ", "))]")
    }
    if options.queueSize != 0 { result.append("queueSize: \(options.queueSize)") }
    return result
  }

  private func literal(_ text: String) -> String {
    let escaped = text.map { character in
      switch character {
      case "\"": "\\\""
      case "\\": "\\\\"
      default: String(character)
      }
    }
    return "\"\(escaped.joined())\""
  }

  private func server(_ service: SchemaService, into text: inout SourceText) {
    text.documentation(
      service.documentation + ["", "What a server implements. An `RPCError` thrown is what the caller sees."])
    text.block("public protocol \(service.name)Server: RPCService {") { text in
      for method in service.methods {
        text.documentation(method.documentation)
        let request = "_ request: \(SwiftNames.type(method.request)), context: ServerCallContext"
        let response = SwiftNames.type(method.response)
        if method.options.stream == .none {
          text.line("func \(name(method))(\(request)) async throws -> \(response)")
        } else {
          text.line("func \(name(method))(\(request), stream: \(mode(method))<\(response)>) async throws")
        }
      }
    }
    text.line()
    text.block("extension \(service.name)Server {") { text in
      text.block("public func register(with router: inout RPCRouter) {") { text in
        for method in service.methods {
          let kind = method.options.stream == .none ? "unary" : "\(method.options.stream)"
          let types = "\(SwiftNames.type(method.request)).self, \(SwiftNames.type(method.response)).self"
          let parameters = method.options.stream == .none ? "request, context" : "request, context, stream"
          let arguments =
            method.options.stream == .none ? "request, context: context" : "request, context: context, stream: stream"
          text.block("router.\(kind)(\(service.name)Methods.\(name(method)), \(types)) { \(parameters) in") { text in
            text.line("try await self.\(name(method))(\(arguments))")
          }
        }
      }
    }
  }

  /// The type a handler sends with.
  private func mode(_ method: SchemaMethod) -> String {
    switch method.options.stream {
    case .queue: "QueueStream"
    case .block: "BlockStream"
    case .latest, .none: "LatestStream"
    }
  }

  private func client(_ service: SchemaService, into text: inout SourceText) {
    text.documentation(service.documentation + ["", "Calls them over a connection or a channel."])
    text.block("public struct \(service.name)Client: Sendable {") { text in
      text.line("public let caller: any RPCCaller")
      text.line()
      text.line("public init(_ caller: any RPCCaller) { self.caller = caller }")
      for method in service.methods {
        text.line()
        text.documentation(method.documentation)
        let request = "_ request: \(SwiftNames.type(method.request)), options: CallOptions = CallOptions()"
        let response = SwiftNames.type(method.response)
        let call = "(\(service.name)Methods.\(name(method)), request, \(response).self, options: options)"
        if method.options.stream == .none {
          text.block("public func \(name(method))(\(request)) async throws(RPCError) -> \(response) {") { text in
            text.line("try await caller.unary\(call)")
          }
        } else {
          text.block("public func \(name(method))(\(request)) -> WatchStream<\(response)> {") { text in
            text.line("caller.stream\(call)")
          }
        }
      }
    }
  }
}
