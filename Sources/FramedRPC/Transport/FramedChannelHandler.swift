internal import FramedCore
internal import Logging
internal import NIOCore

/// What a channel handler tells the session that owns the protocol core. All calls on the event loop.
protocol FramedSession: AnyObject {
  var core: any ConnectionCore { get }
  /// TLS is up; throws to refuse the peer.
  func established(_ peer: ChannelPeer) throws(TLSEngine.Failure)
  /// Why the connection ended, before the core hears of it.
  func failed(_ reason: String)
  /// The channel is gone.
  func closed()
}

/// The one handler of a connection: TLS and the protocol core on raw buffers between a socket and a session.
///
/// One read, one run of the core, one encryption, one write per loop turn. At most 64 KiB are encrypted ahead of the
/// socket: the core keeps what waits beyond that, as state.
///
/// Unchecked: every member is touched on the channel's event loop only; NIO calls handlers there, and sessions come by
/// way of their ``LoopExecutor``.
final class FramedChannelHandler: ChannelDuplexHandler, @unchecked Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private enum Phase {
    case handshake
    case open
    /// Everything is written; what still comes is dropped until the peer closes.
    case closing
    case closed
  }

  private static let handshakeTimeout = TimeAmount.seconds(5)
  private static let lingerTime = TimeAmount.seconds(1)
  private static let lingerBytes = 256 * 1024
  private static let stalledWriter = Nanoseconds.seconds(60)
  /// How long buffers are held after the last byte: each time that more came meanwhile it is twice as long as before. What comes
  /// next would ask for them again, which is a tenth of what a small read costs; thousands of connections that say hello and are
  /// silent hold none.
  private static let leastHold = Nanoseconds.milliseconds(20)
  private static let mostHold = Nanoseconds.seconds(1)

  private let engine: any ChannelSecurity
  private let session: any FramedSession
  private let core: any ConnectionCore
  private let executor: LoopExecutor
  private let isServer: Bool
  private var context: ChannelHandlerContext?
  private var phase = Phase.handshake
  private var isReading = false
  private var isFlushing = false
  private var flushScheduled = false
  private var readPending = false
  private var droppedBytes = 0
  private var blockedSince: Nanoseconds?
  private var timer: Scheduled<Void>?
  private var timerAt = Nanoseconds.never
  private var lastActive: Nanoseconds = 0
  /// When to look whether the connection is quiet; `never`: it holds no buffers.
  private var quietAt = Nanoseconds.never
  private var hold = FramedChannelHandler.leastHold
  private var handshakeTimer: Scheduled<Void>?

  /// Before the handshake begins: others have their turn.
  private let wait: TimeAmount
  private var isWaiting = false
  private var hasWaited = false

  init(
    engine: any ChannelSecurity, session: any FramedSession, executor: LoopExecutor, isServer: Bool,
    wait: TimeAmount = .zero
  ) {
    self.wait = wait
    self.engine = engine
    self.session = session
    self.core = session.core
    self.executor = executor
    self.isServer = isServer
  }

  // MARK: Channel events

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    // NIO's own channels have the option.
    core.input.pool = executor.blocks
    core.output.pool = executor.blocks
    try? context.channel.syncOptions?.setOption(.recvAllocator, value: SocketReadBuffers(executor.readBuffers))
    if context.channel.isActive { begin(context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard phase == .handshake, handshakeTimer == nil, !isWaiting else { return }
    if wait > .zero, !hasWaited {
      isWaiting = true
      hasWaited = true
      context.eventLoop.scheduleTask(in: wait) { [weak self] in
        guard let self, let context = self.context, self.phase == .handshake else { return }
        self.isWaiting = false
        self.begin(context)
        if self.readPending {
          self.readPending = false
          context.read()
        }
      }
      return
    }
    handshakeTimer = context.eventLoop.scheduleTask(in: Self.handshakeTimeout) { [weak self] in
      guard let self, self.phase == .handshake else { return }
      self.abort("TLS handshake took too long")
    }
    guard !isServer || engine.isImmediate else { return }
    do throws(TLSEngine.Failure) {
      if engine.isImmediate {
        core.now = Self.clock
        try established()
        return flush()
      }
      _ = try engine.handshake()
      sendCiphertext(context)
    } catch {
      fail(error)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    // A core that has said its last leaves the rest of a record unread: what follows it is not to be decrypted, or TLS would
    // end the connection with an alert of its own and destroy the GOAWAY.
    guard phase != .closing, phase != .open || !core.wantsClose else {
      droppedBytes += buffer.readableBytes
      if droppedBytes > Self.lingerBytes { close() }
      return
    }
    guard phase != .closed else { return }
    isReading = true
    core.now = Self.clock
    defer { executor.readBuffers.give(buffer) }
    do throws(TLSEngine.Failure) {
      try buffer.withUnsafeReadableBytesTyped { bytes throws(TLSEngine.Failure) in
        try engine.receive(
          bytes, into: core.input,
          established: { () throws(TLSEngine.Failure) in try established() },
          deliver: {
            core.processInput()
            return !core.wantsClose
          })
      }
    } catch {
      fail(error)
    }
  }

  private func established() throws(TLSEngine.Failure) {
    handshakeTimer?.cancel()
    handshakeTimer = nil
    try session.established(engine.peer)
    phase = .open
    core.transportEstablished()
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    noteActive()
    flush()
    core.input.releaseIfEmpty()
  }

  private func noteActive() {
    lastActive = core.now
    if quietAt == .never { quietAt = lastActive + hold }
  }

  private func releaseIfQuiet() {
    guard core.now >= quietAt else { return }
    guard core.now >= lastActive + hold else {
      hold = min(hold * 2, Self.mostHold)
      quietAt = lastActive + hold
      return
    }
    hold = Self.leastHold
    quietAt = .never
    engine.releaseBuffers()
  }

  /// Asked by NIO before each read: refused while the core has too much to say to this peer.
  func read(context: ChannelHandlerContext) {
    if isWaiting {
      readPending = true
    } else if core.wantsRead || phase != .open {
      context.read()
    } else {
      readPending = true
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      blockedSince = nil
      core.now = Self.clock
      flush()
    }
    context.fireChannelWritabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event as? ChannelEvent == .inputClosed {
      if phase == .closing { close() } else { abort("the peer closed the connection") }
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    abort("\(error)")
  }

  func channelInactive(context: ChannelHandlerContext) {
    finish("connection lost")
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    finish("connection lost")
    self.context = nil
  }

  // MARK: Output

  /// The core has something to write; it leaves at the end of this loop turn, with whatever else comes until then.
  func scheduleFlush() {
    guard !isReading, !flushScheduled else { return }
    flushScheduled = true
    executor.post {
      self.flushScheduled = false
      self.core.now = Self.clock
      self.flush()
    }
  }

  private func flush() {
    // A write that empties the socket's queue reports so before it returns; the loop below goes on by itself.
    guard !isFlushing else { return }
    isFlushing = true
    defer { isFlushing = false }
    guard let context, phase == .open else {
      if let context, phase == .handshake { sendCiphertext(context) }
      return
    }
    do throws(TLSEngine.Failure) {
      while context.channel.isWritable {
        core.fill()
        if core.output.isEmpty {
          // What was left unread while the core had too much to say can be worked through now.
          guard core.stoppedReading, core.wantsRead else { break }
          core.processInput()
          continue
        }
        noteActive()
        try send(context)
      }
    } catch {
      return fail(error)
    }
    if !context.channel.isWritable, blockedSince == nil { blockedSince = core.now }
    if readPending, core.wantsRead {
      readPending = false
      context.read()
    }
    if core.wantsClose { beginClosing(context) } else { armTimer(context) }
  }

  /// Encrypts and writes what is in the core's output.
  private func send(_ context: ChannelHandlerContext) throws(TLSEngine.Failure) {
    sendCiphertext(context)
    guard !core.output.isEmpty else { return }
    var buffer = executor.writeBuffers.take(context.channel.allocator)
    try engine.send(core.output, into: &buffer)
    core.output.releaseIfEmpty()
    context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    executor.writeBuffers.give(buffer)
    sendCiphertext(context)
  }

  /// What TLS itself has to say.
  private func sendCiphertext(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil) {
    guard engine.hasOutput else {
      // Kept once what was written before has left.
      if let promise { context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise) }
      return
    }
    var buffer = ByteBuffer()
    engine.takeOutput { bytes in
      buffer = context.channel.allocator.buffer(capacity: bytes.count)
      buffer.writeBytes(bytes)
    }
    // Only now: writing can call us back before it returns.
    context.writeAndFlush(wrapOutboundOut(buffer), promise: promise)
  }

  // MARK: Timers

  static var clock: Nanoseconds { NIODeadline.now().uptimeNanoseconds }

  private func armTimer(_ context: ChannelHandlerContext) {
    var next = min(core.nextTimer, quietAt)
    if let blockedSince { next = min(next, blockedSince + Self.stalledWriter) }
    guard next < timerAt else { return }
    timer?.cancel()
    timerAt = next
    timer = context.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(next)) { [weak self] in self?.timerFired() }
  }

  private func timerFired() {
    timerAt = .never
    timer = nil
    guard phase == .open else { return }
    core.now = Self.clock
    if let blockedSince, core.now >= blockedSince + Self.stalledWriter {
      return abort("the peer took nothing for 60 s")
    }
    core.advance()
    releaseIfQuiet()
    flush()
  }

  // MARK: Closing

  /// Flush, close_notify, end of our side; what the peer still sends is read and dropped for a second, because closing
  /// with unread bytes would send a reset and destroy the GOAWAY.
  private func beginClosing(_ context: ChannelHandlerContext) {
    guard phase == .open else { return }
    phase = .closing
    timer?.cancel()
    session.failed("closed")
    defer { core.connectionLost("the connection was closed") }
    do throws(TLSEngine.Failure) {
      try send(context)
      engine.closeNotify()
    } catch {
      return close()
    }
    let written = context.eventLoop.makePromise(of: Void.self)
    sendCiphertext(context, promise: written)
    let channel = context.channel
    written.futureResult.whenComplete { _ in channel.close(mode: .output, promise: nil) }
    context.eventLoop.scheduleTask(in: Self.lingerTime) { [weak self] in self?.close() }
  }

  /// TLS failed or the peer said goodbye.
  private func fail(_ failure: TLSEngine.Failure) {
    switch failure {
    case .closed: abort("the peer closed the connection")
    case .failed(let reason): abort(reason)
    }
  }

  /// Ends without ceremony; an alert that TLS has to send still leaves.
  func abort(_ reason: String) {
    if let context, phase != .closed { sendCiphertext(context) }
    finish(reason)
    context?.close(promise: nil)
  }

  private func close() {
    finish("closed")
    context?.close(promise: nil)
  }

  private func finish(_ reason: String) {
    guard phase != .closed else { return }
    let wasClosing = phase == .closing
    phase = .closed
    timer?.cancel()
    handshakeTimer?.cancel()
    if !wasClosing {
      core.now = Self.clock
      session.failed(reason)
      core.connectionLost(reason)
    }
    session.closed()
  }
}

extension ByteBuffer {
  /// `withUnsafeReadableBytes` with the error's type kept.
  @inline(__always)
  fileprivate func withUnsafeReadableBytesTyped<E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    var failure: E?
    withUnsafeReadableBytes { bytes in
      do throws(E) { try body(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
