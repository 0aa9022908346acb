/// The protocol's constants and floors (docs/protocol.md).
package enum Limits {
  /// `\0RPC/1\r\n`: neither HTTP nor TLS nor SSH.
  package static let preface: [UInt8] = [0x00, 0x52, 0x50, 0x43, 0x2F, 0x31, 0x0D, 0x0A]
  package static let minorVersion: UInt16 = 0
  package static let helloBytes = 2_048
  package static let goawayReason = 256
  package static let maxStreamID: UInt32 = 0x7FFF_FFFF
  package static let maxWindow: Int64 = 0x7FFF_FFFF

  // Floors: what both sides may rely on before they have read the peer's HELLO, and the tightest a HELLO may state.
  package static let floorFrame = 16_384
  package static let ceilingFrame = 1 << 20
  package static let floorMessage = 1 << 20
  package static let floorStreams = 100
  package static let floorCredit = 65_536
  package static let floorMinPing = Nanoseconds.seconds(10)
  /// The least initial credit a CALL may set, other than 0.
  package static let leastCallCredit = 4_096

  package static let metadataBytes = 8_192
  package static let metadataEntries = 64
  package static let endMessageBytes = 1_024
  package static let endMetaBytes = 8_192

  /// Refusals unsent above which the server stops reading that socket.
  package static let unsentRefusals = 64
  /// Plaintext handed ahead to TLS.
  package static let writeAhead = 65_536
  /// Pending keys of one LATEST stream above which it collapses into "send a snapshot".
  package static let pendingKeys = 10_000
  /// Messages of a QUEUE stream that may wait, where the method states no bound.
  package static let queueBound = 256
  /// Bytes of a BLOCK stream that may wait before its handler does; a message is never split for it.
  package static let blockAhead = 65_536
  /// How long a QUEUE or BLOCK stream waits for credit.
  package static let slowConsumer = Nanoseconds.seconds(60)

  package static let helloTimeout = Nanoseconds.seconds(5)
  package static let requestTimeout = Nanoseconds.seconds(30)
  package static let handlerGrace = Nanoseconds.seconds(10)
  package static let silenceDefault = Nanoseconds.seconds(15)
  package static let silenceLeast = Nanoseconds.seconds(5)
  package static let silenceMost = Nanoseconds.seconds(60)
  package static let earlyPingWindow = Nanoseconds.seconds(120)
  package static let earlyPings = 3
  package static let drainGraceDefault = Nanoseconds.seconds(30)
}

/// Monotonic time and spans in nanoseconds, handed in by whoever drives the core: it has no clock of its own.
package typealias Nanoseconds = UInt64

extension Nanoseconds {
  package static func seconds(_ n: UInt64) -> Nanoseconds { n * 1_000_000_000 }
  package static func milliseconds(_ n: UInt64) -> Nanoseconds { n * 1_000_000 }
  /// Later than everything.
  package static let never = Nanoseconds.max
}
