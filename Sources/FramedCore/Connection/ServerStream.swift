package import FramedMessages
internal import ProtobufFacade

/// One open stream of a server connection: its state, its windows, and what waits to be sent on it.
package final class ServerStream {
  package let id: UInt32
  package let head: CallHead
  package var meta: CallMeta { head.meta }
  package let isUnary: Bool
  package let openedAt: Nanoseconds
  /// What the driver said the method is.
  package let method: AnyObject
  /// The driver's own state for the call.
  package var attachment: AnyObject?
  package private(set) var state: StreamState
  /// The handler was started and has not returned.
  package var handlerActive = false
  /// Answered inline, without a task.
  var isSync = false

  var sendWindow: SendWindow
  var receiveWindow: ReceiveWindow

  /// The request so far, while it comes in fragments.
  var request: [UInt8] = []
  var requestSize = 0
  /// Bytes of messages this stream holds: its part of the server's budget.
  var held = 0
  /// The driver's: who the stream counts against, and whether it does.
  package var owner = ""
  package var isCounted = false

  /// A message on its way out.
  var outgoing: Outgoing?
  /// LATEST streams: what waits.
  package internal(set) var latest: LatestSlots?
  /// QUEUE and BLOCK streams: what waits.
  var queue: MessageQueue?
  /// LATEST streams: with whom it shows the same value, and its place among them.
  var group: LatestGroup?
  var groupIndex = 0
  var latestFinishing = false
  var drainEnds = false
  /// Of the first DATA, but for a sign of life that had to leave before the handler knew it.
  var epoch: UInt64?
  var statedEpoch = false
  var silence: Nanoseconds = 0
  var sentFirstData = false
  var bookmarkDue = false

  /// The status END will carry.
  var end: EndStatus?
  /// What END says, once that is chosen.
  package var endCode: StatusCode? { end?.code }
  /// Fixed by the first cause while the handler still runs.
  var cause: EndStatus?

  /// CREDIT not sent yet.
  var credit: UInt32 = 0
  var inControlQueue = false
  var inReadyQueue = false
  /// Since when the front waits for credit; 0: it does not.
  var blockedSince: Nanoseconds = 0
  /// When a QUEUE or BLOCK stream has waited long enough for credit.
  var slowAt = Nanoseconds.never

  // Timers: absolute times, `never` where there is none.
  package internal(set) var deadline = Nanoseconds.never
  /// OPEN: the request must be complete. CANCELLING: the handler must have returned.
  var stateDeadline = Nanoseconds.never
  var bookmarkAt = Nanoseconds.never
  var drainAt = Nanoseconds.never
  /// When the token behind the call expires.
  var credentialsAt = Nanoseconds.never

  init(
    id: UInt32, head: CallHead, method: AnyObject, isUnary: Bool, state: StreamState, openedAt: Nanoseconds,
    sendWindow: Int, receiveWindow: Int
  ) {
    self.id = id
    self.head = head
    self.method = method
    self.isUnary = isUnary
    self.state = state
    self.openedAt = openedAt
    self.sendWindow = SendWindow(sendWindow)
    self.receiveWindow = ReceiveWindow(receiveWindow)
  }

  // MARK: For whoever looks

  /// Bytes of messages it holds.
  package var heldBytes: Int { requestSize + (queue?.bytes ?? 0) + waitingBytes }
  /// LATEST: pending keys. QUEUE and BLOCK: messages that wait whole.
  package var waitingMessages: Int { latest?.pendingKeys ?? queue?.count ?? 0 }
  /// Since when its front waits for credit.
  package var blockedAt: Nanoseconds? { blockedSince == 0 ? nil : blockedSince }

  /// Moves by the table and says what to do.
  func enter(_ input: StreamInput) -> StreamAction {
    let cell = StreamTable.cell(state, input)
    state = cell.next
    return cell.action
  }

  /// The earliest of the timers.
  var nextTimer: Nanoseconds {
    min(min(min(deadline, stateDeadline), min(bookmarkAt, drainAt)), min(slowAt, credentialsAt))
  }

  /// Nothing of its own waits, and the peer takes `size` bytes more: a value may pass to it at once, without first metadata.
  @inline(__always)
  func isClear(for size: Int64) -> Bool {
    state == .running && outgoing == nil && sentFirstData && (statedEpoch || epoch == nil) && !bookmarkDue && !drainEnds
      && !latestFinishing && sendWindow.available >= size
  }

  /// LATEST, QUEUE or BLOCK.
  var isStream: Bool { latest != nil || queue != nil }

  /// A message of a QUEUE or BLOCK stream has not left whole.
  var hasQueued: Bool { queue.map { !$0.isEmpty || outgoing != nil } ?? false }

  /// From here the client may resume without loss.
  package var safeSeq: UInt64? { latest?.safeSeq ?? queue?.safeSeq(inFlight: outgoing != nil) }

  /// Response bytes that wait.
  var waitingBytes: Int { outgoing.map { $0.bytes.count - $0.offset } ?? 0 }
}

/// A message being sent, whole or in fragments.
struct Outgoing {
  let bytes: [UInt8]
  var offset = 0
  var began = false
  /// LATEST: what the first frame's metadata says; `nil` for everything else.
  let value: LatestSlots.Value?
  /// QUEUE and BLOCK: the message's place, where it has one.
  var seq: UInt64?
}

/// What the driver says of a CALL whose metadata came.
package enum Admission {
  /// Answered inline by ``ServerConnectionDelegate/answer(_:_:_:)``.
  case sync(AnyObject, defaultTimeout: Nanoseconds?)
  /// Started by ``ServerConnectionDelegate/start(_:_:)``.
  case async(AnyObject, defaultTimeout: Nanoseconds?)
  /// Started by ``ServerConnectionDelegate/start(_:_:)``, answered with a stream of messages.
  case stream(AnyObject, StreamKind, defaultTimeout: Nanoseconds?)
  case refused(EndStatus)
}

/// A handler's result.
package enum Reply {
  case message([UInt8], trailers: [MetadataEntry])
  case status(EndStatus)
  /// Of an inline handler: the message lies where ``ServerConnection/reserveAnswer(_:)`` said.
  case encoded
}

/// Where the answer of the handler that runs inline is.
enum InlineAnswer {
  case none
  /// Up to `room` bytes may leave at once.
  case expected(room: Int)
  /// In the output, behind room for a header, not committed yet.
  case written(Int)
  /// In memory of its own: it has to wait for credit.
  case apart(UnsafeMutableRawBufferPointer)
}

/// What the core asks of whoever drives it; every call comes inside a call into the core, on the same thread.
package protocol ServerConnectionDelegate: AnyObject {
  /// Metadata of a CALL came: is there such a method, and may this caller call it?
  func admit(_ head: CallHead) -> Admission
  /// Runs a sync handler. The request is valid during the call.
  func answer(_ method: AnyObject, _ head: CallHead, _ request: UnsafeRawBufferPointer, deadline: Nanoseconds) -> Reply
  /// A CALL is to get a stream. False: it is refused, its client has too many.
  func opened(_ stream: ServerStream) -> Bool
  /// Starts a handler that will call ``ServerConnection/finish(_:_:)``. The request is valid during the call.
  func start(_ stream: ServerStream, _ request: UnsafeRawBufferPointer)
  /// Nobody waits for the handler's result any more.
  func cancelled(_ stream: ServerStream, _ status: StatusCode)
  /// END is written, or the connection is gone: the stream is over.
  func ended(_ stream: ServerStream, finished: Bool)
  /// Too many keys wait on a LATEST stream; they were dropped. False: the handler cannot send a snapshot.
  func snapshotNeeded(_ stream: ServerStream) -> Bool
  /// A BLOCK handler that was told to wait may go on.
  func roomAgain(_ stream: ServerStream)
  /// A handler was told to stop 10 s ago and has not; its stream has ended without it.
  func abandoned(_ stream: ServerStream)
}
