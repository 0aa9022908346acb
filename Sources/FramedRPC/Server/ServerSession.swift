internal import FramedCore
internal import FramedMessages
internal import Logging
internal import NIOCore
internal import ProtobufFacade

/// What the sessions of a server share; never changes once the server listens.
final class ServerEnvironment: Sendable {
  let router: RPCRouter
  let authorizer: any Authorizer
  let logger: Logger
  let settings: SharedSettings
  let metrics: ServerMetrics
  let accessLog: Logger?
  let tokens: (any TokenVerifier)?
  let takesTokens: Bool
  let clients: any ClientPolicy

  init(_ configuration: ServerConfiguration, _ router: RPCRouter, _ authorizer: any Authorizer, _ logger: Logger) {
    self.router = router
    self.authorizer = authorizer
    self.logger = logger
    settings = SharedSettings(ServerSettings(configuration.limits))
    metrics = configuration.metrics
    accessLog = configuration.accessLog
    tokens = configuration.tokens
    takesTokens = configuration.tokens != nil
    clients = configuration.clients
  }
}

/// One connection on the server: the core's delegate, between frames and handlers.
///
/// Unchecked: every member is touched on the connection's event loop only. Calls from other threads come through
/// ``executor``.
final class ServerSession: FramedSession, @unchecked Sendable {
  let environment: ServerEnvironment
  let executor: LoopExecutor
  let peerAddress: String
  private let callers = Callers()
  private let address: ClientKey
  var share: ClientShare { ClientShare(policy: environment.clients, address: address) }
  /// The connection counts against its certificate's principal.
  private var isCounted = false
  private var isEstablished = false
  let acceptedAt = FramedChannelHandler.clock
  var certifiedPrincipal: Principal { callers.principal }
  weak var channelHandler: FramedChannelHandler?
  private let onClosed: @Sendable (ServerSession) -> Void
  /// What the call before was admitted to: calls that share their metadata share the method.
  private var admitted: (head: CallHead, method: RoutedMethod)?
  /// When the last inline handler ended, which is when the next one begins: one look at the clock a call.
  private var inlineEnded: Nanoseconds = 0
  private(set) lazy var connection = ServerConnection(
    settings: environment.settings, now: FramedChannelHandler.clock, delegate: self)

  init(
    environment: ServerEnvironment, executor: LoopExecutor, peerAddress: String, address: ClientKey,
    onClosed: @escaping @Sendable (ServerSession) -> Void
  ) {
    self.environment = environment
    self.address = address
    self.executor = executor
    self.peerAddress = peerAddress
    self.onClosed = onClosed
  }

  var core: any ConnectionCore { connection }

  @inline(__always)
  private func caller(of meta: CallMeta) throws(EndStatus) -> Callers.Caller {
    guard environment.takesTokens else { return Callers.Caller(principal: callers.principal) }
    return try callers.caller(of: meta, environment.tokens)
  }

  func established(_ peer: ChannelPeer) throws(TLSEngine.Failure) {
    guard peer.agreedProtocol == alpnProtocol else { throw .failed("the client did not offer \(alpnProtocol)") }
    isEstablished = true
    if let uri = peer.uri {
      callers.principal = Principal(uri: uri)
      guard environment.clients.take(.connection, for: .principal(uri)) else {
        environment.metrics.turnedAway()
        throw .failed("too many connections of \(uri)")
      }
      isCounted = true
    }
    if let expiry = peer.expiry {
      connection.credentialsExpire(in: .seconds(UInt64(max(0, expiry - Callers.now))))
    }
  }

  func failed(_ reason: String) {
    if !isEstablished { environment.metrics.handshakeFailed() }
    if let violation = connection.violation {
      environment.metrics.violated(violation.code)
      environment.logger.notice(
        "connection ended for a violation",
        metadata: ["peer": "\(peerAddress)", "code": "\(violation.code)", "reason": "\(violation.reason)"])
    } else {
      environment.logger.debug("connection ended", metadata: ["peer": "\(peerAddress)", "reason": "\(reason)"])
    }
  }

  func closed() {
    environment.clients.give(.connection, for: address)
    if isCounted { environment.clients.give(.connection, for: .principal(callers.principal.uri)) }
    onClosed(self)
  }

  /// On the loop: something was done to the connection outside a read.
  func changed() { channelHandler?.scheduleFlush() }

  func drain(grace: Nanoseconds) {
    connection.now = FramedChannelHandler.clock
    connection.drain(grace: grace)
    changed()
  }

  func abort() { channelHandler?.abort("the server was shut down") }

  func context(
    _ method: RoutedMethod, _ head: CallHead, _ deadline: Nanoseconds, _ cancellation: CallCancellation?
  ) -> ServerCallContext {
    // Admitted a moment ago, or a request's fragments ago.
    let principal = (try? caller(of: head.meta))?.principal ?? .anonymous
    return ServerCallContext(
      routed: method, head: head, principal: principal, peer: peerAddress, deadlineUptime: deadline,
      hidesToken: environment.takesTokens, cancellation: cancellation)
  }
}

extension ServerSession: ServerConnectionDelegate {
  func admit(_ head: CallHead) -> Admission {
    guard let method = method(of: head) else {
      environment.metrics.unknownMethod()
      return .refused(EndStatus(.unimplemented, "no method \(head.meta.method)"))
    }
    let refusal: EndStatus
    do throws(EndStatus) {
      let caller = try caller(of: head.meta)
      do throws(RPCError) {
        try environment.authorizer.authorize(caller.principal, method.descriptor)
        return admission(of: method)
      } catch {
        refusal = error.endStatus
      }
    } catch {
      refusal = error
    }
    method.counters.ended(refusal.code, after: nil)
    logAccess(method, head.meta, refusal.code, nil)
    return .refused(refusal)
  }

  private func method(of head: CallHead) -> RoutedMethod? {
    if let admitted, admitted.head === head { return admitted.method }
    guard let method = environment.router.methods[head.meta.method] else { return nil }
    admitted = (head, method)
    return method
  }

  private func admission(of method: RoutedMethod) -> Admission {
    switch method.body {
    case .sync: return .sync(method, defaultTimeout: method.defaultTimeout)
    case .async: return .async(method, defaultTimeout: method.defaultTimeout)
    case .stream(let kind, _): return .stream(method, kind, defaultTimeout: method.defaultTimeout)
    }
  }

  func answer(_ method: AnyObject, _ head: CallHead, _ request: UnsafeRawBufferPointer, deadline: Nanoseconds) -> Reply
  {
    // The core hands back what `admit` gave it.
    let method = unsafeDowncast(method, to: RoutedMethod.self)
    guard case .sync(let handler) = method.body else { return .status(EndStatus(.internal, "not a sync method")) }
    let connection = connection
    let began = max(connection.now, inlineEnded)
    let reply: Reply
    let code: StatusCode
    do {
      try handler(request, context(method, head, deadline, nil)) { connection.reserveAnswer($0) }
      reply = .encoded
      code = .ok
    } catch {
      let status = status(of: error, method.descriptor)
      reply = .status(status)
      code = status.code
    }
    inlineEnded = FramedChannelHandler.clock
    let took = inlineEnded - began
    method.counters.ended(code, after: took)
    logAccess(method, head.meta, code, took)
    return reply
  }

  func opened(_ stream: ServerStream) -> Bool {
    stream.owner = (try? caller(of: stream.meta))?.principal.uri ?? ""
    stream.isCounted = share.take(.stream, stream.owner)
    return stream.isCounted
  }

  func start(_ stream: ServerStream, _ request: UnsafeRawBufferPointer) {
    let method = unsafeDowncast(stream.method, to: RoutedMethod.self)
    let call = ServerCall(session: self, stream: stream)
    stream.attachment = call
    method.counters.started()
    if let caller = try? caller(of: stream.meta), let expiry = caller.expiry {
      connection.credentialsExpire(stream, in: .seconds(UInt64(max(0, expiry - Callers.now))))
    }
    let context = context(method, stream.head, stream.deadline, call.cancellation)
    guard share.take(.handler, stream.owner) else {
      return connection.finish(
        stream,
        .status(
          EndStatus(
            .resourceExhausted, "this client has as many handlers running as it may",
            details: [.errorInfo("CLIENT_LIMIT")], retryAfterMs: 1_000, refused: true)))
    }
    do {
      switch method.body {
      case .sync:
        share.give(.handler, stream.owner)
        connection.finish(stream, .status(EndStatus(.internal, "a sync method has no task")))
      case .async(let decode):
        call.run(try decode(request), context)
      case .stream(let kind, let decode):
        call.run(try decode(request), kind, context)
      }
    } catch {
      share.give(.handler, stream.owner)
      connection.finish(stream, .status(status(of: error, method.descriptor)))
    }
  }

  func cancelled(_ stream: ServerStream, _ status: StatusCode) {
    call(of: stream)?.cancelled(status)
  }

  func ended(_ stream: ServerStream, finished: Bool) {
    // A method that is answered inline was counted when it answered; one whose request never became whole did not begin.
    if let call = call(of: stream) {
      let method = unsafeDowncast(stream.method, to: RoutedMethod.self)
      let code = stream.endCode ?? .unavailable
      let took = connection.now - min(connection.now, stream.openedAt)
      method.counters.ended(code, after: stream.isUnary ? took : nil, wasStarted: true)
      logAccess(method, stream.meta, code, took)
      call.ended(finished: finished)
    }
    stream.attachment = nil
    if stream.isCounted {
      stream.isCounted = false
      share.give(.stream, stream.owner)
    }
  }

  private func logAccess(_ method: RoutedMethod, _ meta: CallMeta, _ code: StatusCode, _ took: Nanoseconds?) {
    guard let log = environment.accessLog else { return }
    var fields: Logger.Metadata = [
      "method": "\(method.descriptor.name)", "code": "\(code.name)", "peer": "\(peerAddress)",
      "principal": "\((try? caller(of: meta))?.principal.uri ?? "")",
    ]
    if let took { fields["us"] = .stringConvertible(took / 1_000) }
    if !meta.requestID.isEmpty {
      fields["request_id"] = "\(meta.requestID.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())"
    }
    if !meta.traceparent.isEmpty { fields["traceparent"] = "\(meta.traceparent)" }
    if meta.attempt > 0 { fields["attempt"] = .stringConvertible(meta.attempt) }
    log.info("call", metadata: fields)
  }

  func snapshotNeeded(_ stream: ServerStream) -> Bool {
    call(of: stream)?.snapshotNeeded() ?? false
  }

  func roomAgain(_ stream: ServerStream) { call(of: stream)?.roomAgain() }

  func abandoned(_ stream: ServerStream) {
    environment.logger.warning(
      "handler still runs 10 s after its call was cancelled",
      metadata: ["method": "\(stream.meta.method)", "peer": "\(peerAddress)"])
  }

  private func call(of stream: ServerStream) -> ServerCall? {
    // Only `start` sets the attachment.
    stream.attachment.map { unsafeDowncast($0, to: ServerCall.self) }
  }

  /// What the caller sees of an error a handler threw. Unknown ones are logged and not described to strangers.
  func status(of error: any Error, _ method: MethodDescriptor) -> EndStatus {
    switch error {
    case let error as RPCError:
      return error.endStatus
    case let error as ProtobufDecodingError:
      return EndStatus(.invalidArgument, "request: \(error)")
    case is CancellationError:
      return EndStatus(.cancelled, "cancelled")
    default:
      environment.logger.error(
        "handler failed", metadata: ["method": "\(method.name)", "peer": "\(peerAddress)", "error": "\(error)"])
      return EndStatus(.internal, "internal error")
    }
  }
}
