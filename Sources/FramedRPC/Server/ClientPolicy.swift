internal import Synchronization

/// What one client may take too much of.
public enum ClientResource: Int, Sendable, CaseIterable {
  case connection
  case stream
  /// A handler that runs; one whose connection is gone counts until it returns.
  case handler
}

/// Who takes it: each counts twice, as an address and as a principal.
public enum ClientKey: Sendable, Hashable {
  /// Without the port.
  case address(String)
  /// A certificate's or token's URI.
  case principal(String)
}

/// Decides how much of a server one client may have, over all its connections. Asked on event loops: it must answer from
/// memory. Replace it to tell clients apart.
public protocol ClientPolicy: Sendable {
  /// False: no more of it. True: it is taken until ``give(_:for:)``.
  func take(_ resource: ClientResource, for key: ClientKey) -> Bool
  func give(_ resource: ClientResource, for key: ClientKey)
}

/// The same limits for every client.
public final class ClientLimits: ClientPolicy {
  public struct Limits: Sendable, Hashable {
    public var connections: Int
    public var streams: Int
    public var handlers: Int

    public init(connections: Int = 8_192, streams: Int = 200_000, handlers: Int = 4_096) {
      self.connections = connections
      self.streams = streams
      self.handlers = handlers
    }

    func limit(of resource: ClientResource) -> Int {
      switch resource {
      case .connection: connections
      case .stream: streams
      case .handler: handlers
      }
    }
  }

  /// A class, so that counting is one look-up.
  private final class Use {
    private var connections = 0
    private var streams = 0
    private var handlers = 0

    var isNothing: Bool { connections == 0 && streams == 0 && handlers == 0 }

    subscript(_ resource: ClientResource) -> Int {
      get {
        switch resource {
        case .connection: connections
        case .stream: streams
        case .handler: handlers
        }
      }
      set {
        switch resource {
        case .connection: connections = newValue
        case .stream: streams = newValue
        case .handler: handlers = newValue
        }
      }
    }

    func take(_ resource: ClientResource, limit: Int) -> Bool {
      guard self[resource] < limit else { return false }
      self[resource] += 1
      return true
    }
  }

  private let address: Limits
  private let principal: Limits
  private let uses = Mutex<[ClientKey: Use]>([:])

  public init(perAddress: Limits = Limits(), perPrincipal: Limits = Limits()) {
    address = perAddress
    principal = perPrincipal
  }

  public func take(_ resource: ClientResource, for key: ClientKey) -> Bool {
    let limits =
      switch key {
      case .address: address
      case .principal: principal
      }
    return uses.withLock { uses in
      let limit = limits.limit(of: resource)
      if let use = uses[key] { return use.take(resource, limit: limit) }
      let use = Use()
      guard use.take(resource, limit: limit) else { return false }
      uses[key] = use
      return true
    }
  }

  public func give(_ resource: ClientResource, for key: ClientKey) {
    uses.withLock { uses in
      guard let use = uses[key] else { return }
      use[resource] -= 1
      if use.isNothing { uses[key] = nil }
    }
  }
}

/// The two keys of a client, taken together or not at all.
struct ClientShare {
  let policy: any ClientPolicy
  let address: ClientKey

  /// `principal` empty: only the address counts.
  func take(_ resource: ClientResource, _ principal: String) -> Bool {
    guard policy.take(resource, for: address) else { return false }
    guard !principal.isEmpty, !policy.take(resource, for: .principal(principal)) else { return true }
    policy.give(resource, for: address)
    return false
  }

  func give(_ resource: ClientResource, _ principal: String) {
    policy.give(resource, for: address)
    if !principal.isEmpty { policy.give(resource, for: .principal(principal)) }
  }
}
