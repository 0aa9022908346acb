internal import FramedCore
internal import FramedMessages
public import NIOCore
internal import NIOPosix
public import ProtobufFacade
internal import Synchronization

/// How a client connects, and what it allows the server.
public struct ClientConfiguration: Sendable {
  public var host: String
  public var port: Int
  public var tls: TLSConfiguration
  /// A server's socket on this machine, in place of host, port and TLS.
  public var unixSocket: String?
  /// Event loops to share; `nil`: one loop for all clients of the process that name none.
  public var eventLoopGroup: (any EventLoopGroup)?
  /// TCP, TLS and HELLO together.
  public var connectTimeout: Duration = .seconds(10)
  /// Bytes of one message.
  public var maxMessage = 4 << 20
  /// Response bytes a stream may have on the way, untaken.
  public var initialCredit = 262_144
  /// Sent to the server for its logs.
  public var agent = "framed-rpc-swift"

  /// The bearer token of calls, asked for with each: it may change. `nil`: none is shown.
  public var token: (@Sendable () -> String?)?
  /// The id of the first call; for tests of what happens when there are none left.
  package var firstStream: UInt32 = 1

  public init(host: String, port: Int, tls: TLSConfiguration) {
    self.host = host
    self.port = port
    self.tls = tls
  }
}

/// One connection to a server. Calls from any thread or task share it; they wait here for a free stream when the
/// server's limit is reached. Closes when nobody holds it or one of its streams any more.
public final class RPCClient: RPCCaller {
  private static let sharedGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  private let session: ClientSession
  private let closed: EventLoopFuture<Void>
  private let unusable: UnusableReason
  private let initialCredit: Int
  private let token: (@Sendable () -> String?)?

  private init(
    session: ClientSession, closed: EventLoopFuture<Void>, unusable: UnusableReason, initialCredit: Int,
    token: (@Sendable () -> String?)?
  ) {
    self.token = token
    self.session = session
    self.closed = closed
    self.unusable = unusable
    self.initialCredit = initialCredit
  }

  deinit { session.onLoop { $0.close() } }

  public static func connect(host: String, port: Int, tls: TLSConfiguration) async throws -> RPCClient {
    try await connect(ClientConfiguration(host: host, port: port, tls: tls))
  }

  /// Connects, shakes hands and exchanges HELLOs. Throws ``RuntimeError``.
  public static func connect(_ configuration: ClientConfiguration) async throws -> RPCClient {
    var settings = ClientSettings()
    settings.maxMessage = max(configuration.maxMessage, Limits.floorMessage)
    settings.initialCredit = max(configuration.initialCredit, Limits.floorCredit)
    settings.agent = configuration.agent
    settings.firstStream = configuration.firstStream
    let engine: any ChannelSecurity =
      if configuration.unixSocket != nil {
        PlainSocket()
      } else {
        try TLSEngine(
          try TLSContext(configuration.tls, isServer: false),
          serverName: configuration.tls.serverName ?? configuration.host)
      }
    let loop = (configuration.eventLoopGroup ?? sharedGroup).next()
    let ready = loop.makePromise(of: Void.self)
    let closed = loop.makePromise(of: Void.self)
    let unusable = UnusableReason()
    let executor = LoopExecutor(loop)
    let session = ClientSession(
      settings: settings, executor: executor, ready: ready, closed: closed, onUnusable: { unusable.set($0) })
    let handler = FramedChannelHandler(engine: engine, session: session, executor: executor, isServer: false)
    session.channelHandler = handler
    let channel: any Channel
    do {
      channel = try await open(configuration, loop, handler)
    } catch {
      let place = configuration.unixSocket ?? "\(configuration.host):\(configuration.port)"
      let failure = RuntimeError(.connect, "\(place): \(error)")
      ready.fail(failure)
      closed.succeed()
      throw failure
    }
    let timeout = loop.scheduleTask(in: .nanoseconds(configuration.connectTimeout.nanosecondsSigned)) {
      handler.abort("no answer from the server in time")
    }
    // On the loop, at once: the task that waits for this may get its turn much later.
    ready.futureResult.whenComplete { _ in timeout.cancel() }
    do {
      try await withTaskCancellationHandler {
        try await ready.futureResult.get()
      } onCancel: {
        channel.close(promise: nil)
      }
    } catch {
      try? await channel.closeFuture.get()
      throw error
    }
    return RPCClient(
      session: session, closed: closed.futureResult, unusable: unusable, initialCredit: settings.initialCredit,
      token: configuration.token)
  }

  private static func open(
    _ configuration: ClientConfiguration, _ loop: any EventLoop, _ handler: FramedChannelHandler
  ) async throws -> any Channel {
    let bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(.nanoseconds(configuration.connectTimeout.nanosecondsSigned))
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.maxMessagesPerRead, value: SocketReadBuffers.readsPerTurn)
      .channelOption(.writeBufferWaterMark, value: SocketOptions.writeAhead)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if configuration.unixSocket == nil { try SocketOptions.keepAlive(channel) }
          try channel.pipeline.syncOperations.addHandler(handler)
        }
      }
    if let path = configuration.unixSocket { return try await bootstrap.connect(unixDomainSocketPath: path).get() }
    return try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .connect(host: configuration.host, port: configuration.port).get()
  }

  /// One request, one response. Cancelling the task cancels the call; at the deadline it throws
  /// ``StatusCode/deadlineExceeded`` whether or not the server answers. Without a timeout the server's applies.
  public func unary<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) async throws(RPCError) -> Response {
    try await unary(method, encoded: request.protobufBytes(), options: options)
  }

  func unary<Response: ProtobufMessage>(
    _ method: MethodDescriptor, encoded request: [UInt8], options: CallOptions
  ) async throws(RPCError) -> Response {
    let call = UnaryCall()
    let timeout = options.timeout ?? method.defaultTimeout
    let outcome = await call.run(
      callMeta(method, options), request, timeout: timeout?.nanoseconds, on: session)
    let bytes = try outcome.get()
    do {
      return try bytes.withUnsafeBytes { try Response(protobuf: $0, limits: DecodingLimits()) }
    } catch {
      throw RPCError(.internal, "response: \(error)")
    }
  }

  /// Opens a stream of any mode; the call leaves at once, whether or not anyone is iterating yet.
  public func stream<Request: ProtobufMessage, Response: ProtobufMessage>(
    _ method: MethodDescriptor, _ request: Request, _: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) -> WatchStream<Response> {
    WatchStream(source: open(method, request.protobufBytes(), options), caller: self)
  }

  func open(_ method: MethodDescriptor, _ request: [UInt8], _ options: CallOptions) -> WatchCall {
    let call = WatchCall(session: session, window: options.initialCredit.map(Int.init) ?? initialCredit)
    call.start(callMeta(method, options), request, timeout: options.timeout?.nanoseconds)
    return call
  }

  /// Cancels every call and closes the connection; returns when it is closed.
  public func close() async {
    unusable.set("closed")
    session.onLoop { $0.close() }
    try? await closed.get()
  }

  /// Whether new calls can still be made: false after a GOAWAY, a lost connection, or ``close()``.
  public var isUsable: Bool { unusable.value == nil }

  /// Why ``isUsable`` is false.
  public var unusableReason: String? { unusable.value }

  private func callMeta(_ method: MethodDescriptor, _ options: CallOptions) -> CallMeta {
    var meta = CallMeta()
    meta.method = method.name
    meta.metadata = options.metadata.map(\.header)
    if let token = token?() { meta.metadata.append(Header(key: "authorization", value: Array("Bearer \(token)".utf8))) }
    meta.requestID = options.requestID ?? []
    meta.resume = options.resume?.point
    meta.initialCredit = options.initialCredit
    meta.maxSilenceMs = options.maxSilence.map { UInt32(clamping: $0.nanosecondsSigned / 1_000_000) }
    meta.traceparent = options.traceparent ?? ""
    meta.tracestate = options.tracestate ?? ""
    meta.attempt = options.attempt
    return meta
  }
}

/// The first reason why a connection takes no more calls.
final class UnusableReason: Sendable {
  private let reason = Mutex<String?>(nil)

  var value: String? { reason.withLock { $0 } }

  func set(_ text: String) { reason.withLock { $0 = $0 ?? text } }
}
