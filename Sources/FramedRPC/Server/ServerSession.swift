internal import FramedCore
internal import FramedMessages
internal import Glibc
internal import Logging
internal import NIOCore
internal import ProtobufFacade

/// What the sessions of a server share; never changes once the server listens.
struct ServerEnvironment: Sendable {
  let router: RPCRouter
  let authorizer: any Authorizer
  let logger: Logger
  let settings: ServerSettings
}

/// One connection on the server: the core's delegate, between frames and handlers.
///
/// Unchecked: every member is touched on the connection's event loop only. Calls from other threads come through
/// ``executor``.
final class ServerSession: FramedSession, @unchecked Sendable {
  let environment: ServerEnvironment
  let executor: LoopExecutor
  let peerAddress: String
  private(set) var principal = Principal.anonymous
  weak var channelHandler: FramedChannelHandler?
  private let onClosed: @Sendable (ServerSession) -> Void
  private(set) lazy var connection = ServerConnection(
    settings: environment.settings, now: FramedChannelHandler.clock, delegate: self)

  init(
    environment: ServerEnvironment, executor: LoopExecutor, peerAddress: String,
    onClosed: @escaping @Sendable (ServerSession) -> Void
  ) {
    self.environment = environment
    self.executor = executor
    self.peerAddress = peerAddress
    self.onClosed = onClosed
  }

  var core: any ConnectionCore { connection }

  func established(_ engine: TLSEngine) throws(TLSEngine.Failure) {
    guard engine.agreedProtocol == alpnProtocol else { throw .failed("the client did not offer \(alpnProtocol)") }
    if let uri = engine.peerURI { principal = Principal(uri: uri) }
    if let expiry = engine.peerExpiry {
      var wall = timespec()
      clock_gettime(CLOCK_REALTIME, &wall)
      connection.credentialsExpire(in: .seconds(UInt64(max(0, expiry - Int64(wall.tv_sec)))))
    }
  }

  func failed(_ reason: String) {
    if let violation = connection.violation {
      environment.logger.notice(
        "connection ended for a violation",
        metadata: ["peer": "\(peerAddress)", "code": "\(violation.code)", "reason": "\(violation.reason)"])
    } else {
      environment.logger.debug("connection ended", metadata: ["peer": "\(peerAddress)", "reason": "\(reason)"])
    }
  }

  func closed() { onClosed(self) }

  /// On the loop: something was done to the connection outside a read.
  func changed() { channelHandler?.scheduleFlush() }

  func drain(grace: Nanoseconds) {
    connection.now = FramedChannelHandler.clock
    connection.drain(grace: grace)
    changed()
  }

  func abort() { channelHandler?.abort("the server was shut down") }

  func context(
    _ method: MethodDescriptor, _ meta: CallMeta, _ deadline: Nanoseconds, _ cancellation: CallCancellation?
  ) -> ServerCallContext {
    ServerCallContext(
      method: method, principal: principal, peer: peerAddress, requestID: meta.requestID.isEmpty ? nil : meta.requestID,
      deadlineUptime: deadline == .never ? nil : deadline, resume: meta.resume.map { Resume($0) },
      metadata: meta.metadata.map { MetadataEntry($0) },
      traceparent: meta.traceparent.isEmpty ? nil : meta.traceparent,
      tracestate: meta.tracestate.isEmpty ? nil : meta.tracestate, attempt: meta.attempt, cancellation: cancellation)
  }
}

extension ServerSession: ServerConnectionDelegate {
  func admit(_ meta: CallMeta) -> Admission {
    guard let method = environment.router.methods[meta.method] else {
      return .refused(EndStatus(.unimplemented, "no method \(meta.method)"))
    }
    do throws(RPCError) {
      try environment.authorizer.authorize(principal, method.descriptor)
    } catch {
      return .refused(error.endStatus)
    }
    switch method.body {
    case .sync: return .sync(method, defaultTimeout: method.defaultTimeout)
    case .async: return .async(method, defaultTimeout: method.defaultTimeout)
    case .latest: return .latest(method, defaultTimeout: method.defaultTimeout)
    }
  }

  func answer(_ method: AnyObject, _ meta: CallMeta, _ request: UnsafeRawBufferPointer, deadline: Nanoseconds) -> Reply
  {
    // The core hands back what `admit` gave it.
    let method = unsafeDowncast(method, to: RoutedMethod.self)
    guard case .sync(let handler) = method.body else { return .status(EndStatus(.internal, "not a sync method")) }
    do {
      return .message(try handler(request, context(method.descriptor, meta, deadline, nil)), trailers: [])
    } catch {
      return .status(status(of: error, method.descriptor))
    }
  }

  func start(_ stream: ServerStream, _ request: UnsafeRawBufferPointer) {
    let method = unsafeDowncast(stream.method, to: RoutedMethod.self)
    let call = ServerCall(session: self, stream: stream)
    stream.attachment = call
    let context = context(method.descriptor, stream.meta, stream.deadline, call.cancellation)
    do {
      switch method.body {
      case .sync:
        connection.finish(stream, .status(EndStatus(.internal, "a sync method has no task")))
      case .async(let decode):
        call.run(try decode(request), context)
      case .latest(let decode):
        call.run(try decode(request), context)
      }
    } catch {
      connection.finish(stream, .status(status(of: error, method.descriptor)))
    }
  }

  func cancelled(_ stream: ServerStream, _ status: StatusCode) {
    call(of: stream)?.cancelled(status)
  }

  func ended(_ stream: ServerStream, finished: Bool) {
    call(of: stream)?.ended(finished: finished)
    stream.attachment = nil
  }

  func snapshotNeeded(_ stream: ServerStream) -> Bool {
    call(of: stream)?.snapshotNeeded() ?? false
  }

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
