internal import FramedCore
public import ProtobufFacade

/// A set of methods that register themselves together; generated code makes one per service.
public protocol RPCService: Sendable {
  func register(with router: inout RPCRouter)
}

/// The methods a server answers, by full name. Filled before the server starts and never changed after.
public struct RPCRouter: Sendable {
  var methods: [String: RoutedMethod] = [:]

  public init() {}

  public init(_ services: [any RPCService]) {
    for service in services { service.register(with: &self) }
  }

  /// The descriptors of every method registered.
  public var descriptors: [MethodDescriptor] {
    methods.values.map(\.descriptor).sorted { $0.name < $1.name }
  }

  public mutating func register(_ service: some RPCService) {
    service.register(with: &self)
  }

  /// A unary method whose handler may wait. It starts on the connection's event loop and comes back to it after every
  /// wait; a turn of it that computes for long holds up every connection of that loop.
  @inlinable
  public mutating func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _: Request.Type = Request.self, _: Response.Type = Response.self,
    handler: @escaping @Sendable (Request, ServerCallContext) async throws -> Response
  ) {
    addAsync(method) { bytes in
      let request = try Request(protobuf: bytes, limits: DecodingLimits())
      return { context in try await handler(request, context).protobufBytes() }
    }
  }

  /// A unary method answered from memory, inline in the event loop: no task, no suspension.
  @inlinable
  public mutating func unarySync<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _: Request.Type = Request.self, _: Response.Type = Response.self,
    handler: @escaping @Sendable (Request, ServerCallContext) throws -> Response
  ) {
    addSync(method) { bytes, context, reserve in
      try handler(try Request(protobuf: bytes, limits: DecodingLimits()), context).encodeProtobuf(into: reserve)
    }
  }

  /// A LATEST stream. The handler subscribes somewhere, keeps `stream`, and returns; the stream stays open, at the cost
  /// of a table entry, until ``LatestStream/finish()``, ``LatestStream/fail(_:)``, the deadline, or the client's cancel.
  /// An error thrown ends it.
  public mutating func latest<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _: Request.Type = Request.self, _: Response.Type = Response.self,
    handler: @escaping @Sendable (Request, ServerCallContext, LatestStream<Response>) async throws -> Void
  ) {
    add(
      method,
      .stream(.latest) { bytes in
        let request = try Request(protobuf: bytes, limits: DecodingLimits())
        return { context, sender in try await handler(request, context, LatestStream(sender: sender)) }
      })
  }

  /// A QUEUE stream. The handler subscribes somewhere, keeps `stream`, and returns, as with ``latest(_:_:_:handler:)``.
  public mutating func queue<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _: Request.Type = Request.self, _: Response.Type = Response.self,
    handler: @escaping @Sendable (Request, ServerCallContext, QueueStream<Response>) async throws -> Void
  ) {
    add(
      method,
      .stream(.queue(bound: method.queueSize > 0 ? method.queueSize : Limits.queueBound)) { bytes in
        let request = try Request(protobuf: bytes, limits: DecodingLimits())
        return { context, sender in try await handler(request, context, QueueStream(sender: sender)) }
      })
  }

  /// A BLOCK stream. It ends with OK when the handler returns, with the error it throws else, once every message has left.
  public mutating func block<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _: Request.Type = Request.self, _: Response.Type = Response.self,
    handler: @escaping @Sendable (Request, ServerCallContext, BlockStream<Response>) async throws -> Void
  ) {
    add(
      method,
      .stream(.block) { bytes in
        let request = try Request(protobuf: bytes, limits: DecodingLimits())
        return { context, sender in try await handler(request, context, BlockStream(sender: sender)) }
      })
  }

  // The typed methods are inlinable, so that decoding and encoding are specialised where the messages are known.

  @usableFromInline
  mutating func addSync(
    _ method: MethodDescriptor,
    _ body:
      @escaping @Sendable (
        UnsafeRawBufferPointer, ServerCallContext, (_ size: Int) -> UnsafeMutableRawBufferPointer
      ) throws -> Void
  ) { add(method, .sync(body)) }

  @usableFromInline
  mutating func addAsync(
    _ method: MethodDescriptor,
    _ body:
      @escaping @Sendable (UnsafeRawBufferPointer) throws -> @Sendable (ServerCallContext) async throws -> [UInt8]
  ) { add(method, .async(body)) }

  private mutating func add(_ method: MethodDescriptor, _ body: RoutedMethod.Body) {
    precondition(methods[method.name] == nil, "\(method.name) is registered twice")
    methods[method.name] = RoutedMethod(descriptor: method, body: body)
  }
}

/// One registered method with its types erased: one indirect call per request.
final class RoutedMethod: Sendable {
  typealias Handler = @Sendable (ServerCallContext) async throws -> [UInt8]
  typealias StreamHandler = @Sendable (ServerCallContext, StreamSender) async throws -> Void

  enum Body: Sendable {
    /// Decodes, runs and encodes while the pointer is valid.
    case sync(
      @Sendable (
        UnsafeRawBufferPointer, ServerCallContext, (_ size: Int) -> UnsafeMutableRawBufferPointer
      ) throws -> Void)
    /// Decodes while the pointer is valid; what it returns runs in a task.
    case async(@Sendable (UnsafeRawBufferPointer) throws -> Handler)
    case stream(StreamKind, @Sendable (UnsafeRawBufferPointer) throws -> StreamHandler)
  }

  let descriptor: MethodDescriptor
  let body: Body
  let defaultTimeout: Nanoseconds?
  let counters = MethodCounters()

  init(descriptor: MethodDescriptor, body: Body) {
    self.descriptor = descriptor
    self.body = body
    defaultTimeout = descriptor.defaultTimeout?.nanoseconds
  }
}
