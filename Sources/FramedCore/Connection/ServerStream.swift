package import FramedMessages
internal import ProtobufFacade

/// One open stream of a server connection: its state, its windows, and what waits to be sent on it.
///
/// A watch that nothing happens on is one of these and little else, thousands of them a connection: what few streams need, or only
/// for a while, is in objects of its own, and what sending a group's value looks at comes first, in few lines of the cache.
package final class ServerStream {
  package let id: UInt32
  package private(set) var state: StreamState
  /// LATEST streams.
  package private(set) var isLatest = false
  var sentFirstData = false
  var statedEpoch = false
  var bookmarkDue = false
  var latestFinishing = false
  var drainEnds = false
  var inControlQueue = false
  var inReadyQueue = false
  /// The handler was started and has not returned.
  package var handlerActive = false
  /// Answered inline, without a task.
  var isSync = false
  package let isUnary: Bool
  /// The driver's: whether the stream counts against ``owner``.
  package var isCounted = false

  var sendWindow: SendWindow
  /// LATEST streams: everything up to here has left, or is in `latest`.
  private var settled: UInt64 = 0
  /// LATEST streams: what waits; `nil`: nothing.
  package private(set) var latest: LatestSlots?
  /// A message on its way out.
  var outgoing: Outgoing?
  var silence: Nanoseconds = 0
  var bookmarkAt = Nanoseconds.never

  /// LATEST streams: with whom it shows the same value, and its place among them.
  var group: LatestGroup?
  var groupIndex: Int32 = 0
  /// CREDIT not sent yet.
  var credit: UInt32 = 0
  /// QUEUE and BLOCK streams: what waits.
  var queue: MessageQueue?
  /// Of the first DATA, but for a sign of life that had to leave before the handler knew it.
  var epoch: UInt64?
  /// Since when the front waits for credit; 0: it does not.
  var blockedSince: Nanoseconds = 0

  package let head: CallHead
  package var meta: CallMeta { head.meta }
  package let openedAt: Nanoseconds
  /// What the driver said the method is.
  package let method: AnyObject
  /// The driver's own state for the call.
  package var attachment: AnyObject?
  /// The driver's: who the stream counts against.
  package var owner = ""

  var receiveWindow: ReceiveWindow
  /// The request, while it comes in fragments.
  var incoming: Incoming?
  /// Bytes of messages this stream holds: its part of the server's budget.
  var held = 0
  private var ending: Ending?

  // Timers: absolute times, `never` where there is none.
  package internal(set) var deadline = Nanoseconds.never
  /// OPEN: the request must be complete. CANCELLING: the handler must have returned.
  var stateDeadline = Nanoseconds.never
  /// When a QUEUE or BLOCK stream has waited long enough for credit.
  var slowAt = Nanoseconds.never
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

  // MARK: How it ends

  private final class Ending {
    var status: EndStatus?
    var cause: EndStatus?
  }

  /// The status END will carry.
  var end: EndStatus? {
    get { ending?.status }
    set { changeEnding { $0.status = newValue } }
  }

  /// What END says, once that is chosen.
  package var endCode: StatusCode? { ending?.status?.code }

  /// Fixed by the first cause while the handler still runs.
  var cause: EndStatus? {
    get { ending?.cause }
    set { changeEnding { $0.cause = newValue } }
  }

  private func changeEnding(_ change: (Ending) -> Void) {
    let ending = ending ?? Ending()
    self.ending = ending
    change(ending)
  }

  // MARK: For whoever looks

  /// Bytes of messages it holds.
  package var heldBytes: Int { (incoming?.size ?? 0) + (queue?.bytes ?? 0) + waitingBytes }
  /// LATEST: pending keys. QUEUE and BLOCK: messages that wait whole.
  package var waitingMessages: Int {
    (latest?.pendingKeys ?? queue?.count ?? 0) + (groupNews == nil ? 0 : 1)
  }
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

  // MARK: LATEST

  /// `after`: the seq the client resumed at, 0 for a fresh watch.
  func becomeLatest(after: UInt64) {
    isLatest = true
    settled = after
  }

  /// Where what waits is kept.
  var slots: LatestSlots {
    if let latest { return latest }
    let slots = LatestSlots(after: settled)
    latest = slots
    return slots
  }

  /// What waited has left: a stream with nothing to say keeps nothing but its place.
  func settle() {
    guard let latest, latest.isEmpty, !latest.isInSnapshot else { return }
    settled = latest.offered
    self.latest = nil
  }

  /// Everything up to here was offered to it.
  var offered: UInt64 { latest?.offered ?? settled }

  var isInSnapshot: Bool { latest?.isInSnapshot ?? false }

  /// Everything up to `seq` has been offered.
  func bookmark(_ seq: UInt64) {
    if let latest { latest.bookmark(seq) } else { settled = max(settled, seq) }
  }

  /// Nothing of its own waits: a value of its group may pass to it without first metadata, credit allowing.
  var isClear: Bool {
    @inline(__always) get {
      state == .running && outgoing == nil && latest == nil && sentFirstData && (statedEpoch || epoch == nil)
        && !bookmarkDue && !latestFinishing
    }
  }

  /// Of a clear stream: a value leaves past the slots. Returns what was offered before; `nil`: it is known.
  @inline(__always)
  func pass(_ seq: UInt64) -> UInt64? {
    guard seq > settled else { return nil }
    defer { settled = seq }
    return settled
  }

  /// Its group's newest value, where that is news to it.
  var groupNews: LatestGroup.Value? {
    guard let value = group?.value, offered < value.seq else { return nil }
    return value
  }

  /// LATEST, QUEUE or BLOCK.
  var isStream: Bool { isLatest || queue != nil }

  /// A message of a QUEUE or BLOCK stream has not left whole.
  var hasQueued: Bool { queue.map { !$0.isEmpty || outgoing != nil } ?? false }

  /// From here the client may resume without loss.
  package var safeSeq: UInt64? {
    guard isLatest else { return queue?.safeSeq(inFlight: outgoing != nil) }
    let safe = latest?.safeSeq ?? settled
    // A value that has not left whole is not safe.
    guard let oldest = outgoing?.value?.oldest else { return safe }
    return min(safe, oldest == 0 ? 0 : oldest - 1)
  }

  /// Response bytes that wait.
  var waitingBytes: Int { outgoing.map { $0.bytes.count - $0.offset } ?? 0 }
}

/// A request that comes in fragments.
final class Incoming {
  /// What it comes to, as its CALL says.
  let size: Int
  var bytes: [UInt8] = []

  init(size: Int) { self.size = size }
}

/// A message being sent, whole or in fragments.
final class Outgoing {
  let bytes: [UInt8]
  var offset = 0
  var began = false
  /// LATEST: what the first frame's metadata says; `nil` for everything else.
  let value: LatestSlots.Value?
  /// QUEUE and BLOCK: the message's place, where it has one.
  let seq: UInt64?

  init(bytes: [UInt8], value: LatestSlots.Value? = nil, seq: UInt64? = nil) {
    self.bytes = bytes
    self.value = value
    self.seq = seq
  }
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
