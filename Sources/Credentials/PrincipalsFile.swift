import Foundation
import Synchronization

/// `principals.json` as a server reads it: again whenever it changed, so that an entry removed there is revoked here.
///
/// A file that is gone or cannot be understood allows nobody: a revocation must not fail because of a typing error.
public final class PrincipalsFile: Sendable {
  public let path: String
  private let interval: Duration
  private let onDamage: @Sendable (CredentialError) -> Void
  private let state: Mutex<State>

  private struct State {
    var principals = Principals()
    var stamp: Stamp?
    var lookedAt: ContinuousClock.Instant?
  }

  /// Tells one state of the file from the next; each write makes a new inode.
  private struct Stamp: Equatable {
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int
  }

  /// - Parameters:
  ///   - interval: the file is looked at when asked, but not more often than this.
  ///   - onDamage: called once for each state of the file that cannot be read.
  public init(
    path: String, interval: Duration = .milliseconds(250),
    onDamage: @escaping @Sendable (CredentialError) -> Void = { _ in }
  ) {
    self.path = path
    self.interval = interval
    self.onDamage = onDamage
    state = Mutex(State())
  }

  /// The entry of the principal with this certificate URI; nil: it may do nothing. Takes a microsecond, and never blocks for long.
  /// Whoever is not known is looked up in the file as it is: credentials are good from the moment they are issued.
  public subscript(uri: String) -> PrincipalEntry? { current[uri] ?? read(atMostEvery: .zero)[uri] }

  /// All entries, as of `interval` ago or later.
  public var current: Principals { read(atMostEvery: interval) }

  private func read(atMostEvery interval: Duration) -> Principals {
    var damage: CredentialError?
    let principals = state.withLock { state in
      let now = ContinuousClock.now
      if let lookedAt = state.lookedAt, now - lookedAt < interval { return state.principals }
      state.lookedAt = now
      let stamp = Self.stamp(of: path)
      if stamp == state.stamp, stamp != nil { return state.principals }
      state.stamp = stamp
      do throws(CredentialError) {
        state.principals =
          try PrivateFile.readIfPresent(path).map { bytes throws(CredentialError) in
            try Principals(json: bytes, path: path)
          } ?? Principals()
      } catch {
        state.principals = Principals()
        damage = error
      }
      return state.principals
    }
    if let damage { onDamage(damage) }
    return principals
  }

  private static func stamp(of path: String) -> Stamp? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Stamp(
      inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec)
  }
}
