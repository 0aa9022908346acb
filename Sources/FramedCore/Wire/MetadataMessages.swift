// Stand-in until the generated framedrpc.v1 messages are here.

package struct Hello: Sendable, Equatable {
  package var maxFrame: UInt32 = 0
  package var maxMessage: UInt32 = 0
  package var maxStreams: UInt32 = 0
  package var initialCredit: UInt32 = 0
  package var minPingMs: UInt32 = 0
  package var idleCloseMs: UInt32?
  package var drainGraceMs: UInt32?
  package var features: [String] = []
  package var compression: [String] = []
  package var agent: String = ""
  package init() {}
}
