import FramedCore
import Testing

@Suite struct CreditTests {
  /// The worked example of docs/protocol.md: a window of 65,536, a message of 200,000 bytes in fragments of 16,000.
  @Test func workedExample() {
    var window = ReceiveWindow(65_536)
    var message = MessageCredit()
    var grants: [(fragment: Int, credit: UInt32)] = []
    var left = 200_000
    var fragment = 0
    while left > 0 {
      fragment += 1
      let size = min(16_000, left)
      left -= size
      let fits = window.receive(size)
      #expect(fits)
      let credit = window.owe(message.arrived(size, completes: left == 0))
      if credit > 0 { grants.append((fragment, credit)) }
    }
    #expect(grants.map(\.fragment) == [3, 6, 9, 12])
    #expect(grants.map(\.credit) == [48_000, 48_000, 48_000, 48_000])
    #expect(window.owed == 0)
    // A second message that arrives whole while the first waits owes nothing until it is taken.
    #expect(message.arrived(30_000, completes: true) == 0)
    // The first is taken: only what was not granted before counts again.
    #expect(message.taken() == 8_000)
    #expect(message.taken() == 30_000)
  }

  @Test func incompleteMessageBehindAWaitingOneIsOwedWhenItIsFirst() {
    var message = MessageCredit()
    #expect(message.arrived(1_000, completes: true) == 0)
    #expect(message.arrived(20_000, completes: false) == 0)
    #expect(message.taken() == 21_000)
    #expect(message.arrived(5_000, completes: false) == 5_000)
    #expect(message.arrived(1, completes: true) == 0)
    #expect(message.taken() == 1)
  }

  @Test func nothingIsOwedTwiceWhateverTheOrder() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var message = MessageCredit()
      var sent = 0
      var owed = 0
      for _ in 0..<50 {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: owed += message.taken()
        case let kind:
          let bytes = Int.random(in: 0...20_000, using: &generator)
          sent += bytes
          owed += message.arrived(bytes, completes: kind == 1)
        }
        #expect(owed <= sent)
      }
      owed += message.arrived(0, completes: true)
      while message.waitingMessages > 0 { owed += message.taken() }
      #expect(owed == sent)
    }
  }

  @Test func creditIsSentAtHalfTheWindowAndNotBefore() {
    var window = ReceiveWindow(65_536)
    #expect(window.owe(32_767) == 0)
    #expect(window.owe(1) == 32_768)
    #expect(window.owed == 0)
  }

  @Test func overdraftIsSeen() {
    var window = ReceiveWindow(100)
    let exact = window.receive(100)
    let over = window.receive(1)
    #expect(exact)
    #expect(!over)
  }

  @Test func windowNeverPassesItsLimit() {
    var window = SendWindow(65_536)
    let fits = window.add(0x7FFF_FFFF - 65_536)
    let passes = window.add(1)
    #expect(fits)
    #expect(!passes)
  }

  @Test func aMessageBeginsWhenCoveredOrMoreThanHalfIsFree() {
    var window = SendWindow(65_536)
    #expect(window.mayBegin(1_000_000))
    window.take(32_768)
    #expect(!window.mayBegin(40_000), "exactly half is not more than half")
    #expect(window.mayBegin(32_768))
    var closed = SendWindow(0)
    #expect(!closed.mayBegin(1))
    #expect(closed.mayBegin(0))
    _ = closed.add(10)
    #expect(closed.mayBegin(100), "the first CREDIT sets the window")
  }
}
