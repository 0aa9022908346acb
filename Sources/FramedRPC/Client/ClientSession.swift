internal import FramedCore
internal import FramedMessages
internal import NIOCore

/// What a call's caller is told; called on the connection's event loop.
protocol ClientCallSink: AnyObject, Sendable {
  func ended(_ status: EndStatus, message: [UInt8]?)
  func message(_ message: StreamMessage)
}

/// One connection on the client: the core's delegate, between frames and callers.
///
/// Unchecked: every member is touched on the connection's event loop only. Callers come through ``executor``.
final class ClientSession: FramedSession, @unchecked Sendable {
  let executor: LoopExecutor
  weak var channelHandler: FramedChannelHandler?
  private let settings: ClientSettings
  private var ready: EventLoopPromise<Void>?
  private let onUnusable: @Sendable (String) -> Void
  private let closedPromise: EventLoopPromise<Void>
  private var failure: String?
  private(set) lazy var connection = ClientConnection(
    settings: settings, now: FramedChannelHandler.clock, delegate: self)

  init(
    settings: ClientSettings, executor: LoopExecutor, ready: EventLoopPromise<Void>, closed: EventLoopPromise<Void>,
    onUnusable: @escaping @Sendable (String) -> Void
  ) {
    self.settings = settings
    self.executor = executor
    self.ready = ready
    self.closedPromise = closed
    self.onUnusable = onUnusable
  }

  var core: any ConnectionCore { connection }

  func established(_ peer: ChannelPeer) throws(TLSEngine.Failure) {
    guard peer.agreedProtocol == alpnProtocol else { throw .failed("the server does not speak \(alpnProtocol)") }
  }

  func failed(_ reason: String) {
    let reason = connection.violation?.reason ?? connection.goaway?.reason ?? reason
    onUnusable(reason)
    ready?.fail(RuntimeError(.handshake, reason))
    ready = nil
  }

  func closed() { closedPromise.succeed() }

  // MARK: Callers, from any thread

  func onLoop(_ action: @escaping @Sendable (ClientConnection) -> Void) {
    executor.run {
      self.connection.now = FramedChannelHandler.clock
      action(self.connection)
      if !self.connection.isUsable { self.onUnusable("the connection takes no more calls") }
      self.channelHandler?.scheduleFlush()
    }
  }
}

extension ClientSession: ClientConnectionDelegate {
  func opened(_ peer: PeerSettings) {
    ready?.succeed()
    ready = nil
  }

  func ended(_ stream: ClientStream, _ status: EndStatus, message: [UInt8]?) {
    sink(of: stream)?.ended(status, message: message)
    stream.attachment = nil
  }

  func message(_ stream: ClientStream, _ message: StreamMessage) {
    sink(of: stream)?.message(message)
  }

  func goaway(_ goaway: Goaway) { onUnusable("the server is going away: \(goaway.reason)") }

  private func sink(of stream: ClientStream) -> (any ClientCallSink)? {
    stream.attachment as? any ClientCallSink
  }
}
