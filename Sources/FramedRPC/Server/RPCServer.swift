internal import FramedCore
public import Logging
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Answers FramedRPC calls on one address.
public final class RPCServer: Sendable {
  private struct State {
    var channel: (any Channel)?
    var unixChannel: (any Channel)?
    var sessions: [ObjectIdentifier: ServerSession] = [:]
    var draining = false
    /// Of connections from now on.
    var tls: TLSContext
    /// Who waits for the last connection to close.
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let configuration: ServerConfiguration
  private let environment: ServerEnvironment
  private let group: any EventLoopGroup
  private let ownsGroup: Bool
  private let executors: [ObjectIdentifier: LoopExecutor]
  private let state: Mutex<State>

  /// Fails when the certificate, key or authority cannot be used.
  public init(
    configuration: ServerConfiguration, router: RPCRouter, authorizer: any Authorizer = AllowAll(),
    logger: Logger = Logger(label: "framed-rpc")
  ) throws {
    self.configuration = configuration
    state = Mutex(State(tls: try TLSContext(configuration.tls, isServer: true)))
    environment = ServerEnvironment(configuration, router, authorizer, logger)
    ownsGroup = configuration.eventLoopGroup == nil
    group =
      configuration.eventLoopGroup
      ?? MultiThreadedEventLoopGroup(numberOfThreads: max(1, configuration.eventLoopCount))
    executors = Dictionary(
      uniqueKeysWithValues: group.makeIterator().map { (ObjectIdentifier($0), LoopExecutor($0)) })
  }

  /// Listens. The port is the one really taken, also when 0 was asked for.
  public func start() async throws -> ListeningAddress {
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1_024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: SocketReadBuffers.readsPerTurn)
      .childChannelOption(.writeBufferWaterMark, value: SocketOptions.writeAhead)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try SocketOptions.keepAlive(channel)
          try self.accept(
            channel, try TLSEngine(self.state.withLock { $0.tls }), from: channel.remoteAddress?.readable ?? "",
            address: channel.remoteAddress?.ipAddress ?? "")
        }
      }
    let channel: any Channel
    do {
      channel = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
    } catch {
      throw RuntimeError(.listen, "\(configuration.host):\(configuration.port): \(error)")
    }
    state.withLock { $0.channel = channel }
    if let socket = configuration.unixSocket {
      do throws(RuntimeError) {
        let listener = try await listen(socket)
        state.withLock { $0.unixChannel = listener }
      } catch {
        try? await channel.close()
        throw error
      }
    }
    return ListeningAddress(host: configuration.host, port: channel.localAddress?.port ?? configuration.port)
  }

  /// Listens for programs of this machine.
  private func listen(_ socket: UnixSocket) async throws(RuntimeError) -> any Channel {
    guard socket.path.utf8.count <= UnixSocket.longestPath else {
      throw RuntimeError(.listen, "\(socket.path): the path of a socket has at most \(UnixSocket.longestPath) bytes")
    }
    guard !UnixSocket.isServed(socket.path) else {
      throw RuntimeError(.listen, "\(socket.path): another server listens there")
    }
    let bootstrap = ServerBootstrap(group: group)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.maxMessagesPerRead, value: SocketReadBuffers.readsPerTurn)
      .childChannelOption(.writeBufferWaterMark, value: SocketOptions.writeAhead)
      .childChannelInitializer { channel in
        UnixSocket.process(of: channel).flatMapThrowing { process in
          guard let uri = socket.principal(process) else {
            self.environment.metrics.turnedAway()
            throw RuntimeError(.listen, "process \(process.pid) of user \(process.uid) is not let in")
          }
          try self.accept(channel, PlainSocket(uri: uri), from: "unix:\(process.pid)", address: "unix")
        }
      }
    do {
      return try await bootstrap.bind(unixDomainSocketPath: socket.path, cleanupExistingSocketFile: true).get()
    } catch {
      throw RuntimeError(.listen, "\(socket.path): \(error)")
    }
  }

  /// Reads certificate, key and authorities again: connections from now on use them, those that are open go on as they are.
  /// Fails where they cannot be used; then nothing changes.
  public func reloadCertificates() throws {
    let context = try TLSContext(configuration.tls, isServer: true)
    state.withLock { $0.tls = context }
  }

  private func accept(
    _ channel: any Channel, _ security: any ChannelSecurity, from peerAddress: String, address: String
  ) throws {
    // The group's loops do not change, and NIO registers every child on one of them.
    guard let executor = executors[ObjectIdentifier(channel.eventLoop)] else {
      throw RuntimeError(.misuse, "a connection on a foreign event loop")
    }
    let address = ClientKey.address(address)
    guard environment.clients.take(.connection, for: address) else {
      environment.metrics.turnedAway()
      throw RuntimeError(.listen, "too many connections of one address")
    }
    // From here on the session gives it back.
    let session = ServerSession(
      environment: environment, executor: executor, peerAddress: peerAddress, address: address,
      onClosed: { [weak self] in self?.remove($0) })
    // Where there is no handshake nothing has to wait for its turn.
    let turn = security.isImmediate ? 0 : executor.handshakes.turn(FramedChannelHandler.clock)
    guard let wait = turn else {
      environment.clients.give(.connection, for: address)
      environment.metrics.turnedAway()
      throw RuntimeError(.listen, "too many handshakes")
    }
    let handler = FramedChannelHandler(
      engine: security, session: session, executor: executor, isServer: true, wait: .nanoseconds(Int64(wait)))
    session.channelHandler = handler
    do {
      try channel.pipeline.syncOperations.addHandler(handler)
    } catch {
      // The connection is gone already, and nobody will say so.
      environment.clients.give(.connection, for: address)
      throw error
    }
    environment.metrics.accepted()
    let draining = state.withLock { state in
      state.sessions[ObjectIdentifier(session)] = session
      return state.draining
    }
    if draining { channel.close(promise: nil) }
  }

  private func remove(_ session: ServerSession) {
    environment.metrics.closed()
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.sessions[ObjectIdentifier(session)] = nil
      guard state.sessions.isEmpty else { return [] }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  var openSessions: [ServerSession] { state.withLock { Array($0.sessions.values) } }

  /// Open connections.
  public var connectionCount: Int { state.withLock { $0.sessions.count } }

  /// Stops taking connections and calls, lets unary calls finish, ends every watcher with its place to resume from at a
  /// random moment of the grace's first half, and cancels what is left at its end. Returns when all connections closed.
  public func drain(grace: Duration? = nil) async {
    let grace = (grace ?? configuration.limits.drainGrace).nanoseconds
    let sessions = await stopListening()
    for session in sessions { session.executor.run { session.drain(grace: grace) } }
    await allClosed()
  }

  /// Closes everything now.
  public func shutdown() async {
    let sessions = await stopListening()
    for session in sessions { session.executor.run { session.abort() } }
    await allClosed()
    if ownsGroup { try? await group.shutdownGracefully() }
  }

  private func stopListening() async -> [ServerSession] {
    let (channels, sessions) = state.withLock { state in
      defer {
        state.channel = nil
        state.unixChannel = nil
      }
      state.draining = true
      return ([state.channel, state.unixChannel], Array(state.sessions.values))
    }
    for channel in channels { try? await channel?.close() }
    return sessions
  }

  private func allClosed() async {
    await withCheckedContinuation { continuation in
      let done = state.withLock { state in
        if state.sessions.isEmpty { return true }
        state.waiters.append(continuation)
        return false
      }
      if done { continuation.resume() }
    }
  }
}

/// Where a server listens.
public struct ListeningAddress: Sendable, Hashable, CustomStringConvertible {
  public let host: String
  public let port: Int
  public var description: String { "\(host):\(port)" }
}

extension ServerSettings {
  init(_ limits: ServerLimits) {
    self.init()
    maxMessage = max(limits.maxMessage, Limits.floorMessage)
    maxStreams = max(limits.maxStreams, Limits.floorStreams)
    initialCredit = max(limits.initialCredit, Limits.floorCredit)
    defaultTimeout = limits.defaultTimeout.nanoseconds
    maxTimeout = limits.maxTimeout.nanoseconds
    minPing = min(limits.minPing.nanoseconds, Limits.floorMinPing)
    pingSilence = limits.pingSilence.nanoseconds
    pingTimeout = limits.pingTimeout.nanoseconds
    idleClose = limits.idleClose?.nanoseconds
    drainGrace = limits.drainGrace.nanoseconds
    abuse = limits.abuseTokens.map { tokens in
      var limits = AbuseLimits()
      limits.tokens = tokens
      return limits
    }
    budget = ByteBudget(limit: limits.maxHeldBytes)
    maxAge = limits.maxConnectionAge?.nanoseconds
  }
}
