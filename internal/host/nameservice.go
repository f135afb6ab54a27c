package host

import (
	"context"
	"sync"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A NameService asks the host for the users that /etc/passwd lacks, such as those
// of a directory. An answer may come from a server far away, or never, so one
// goroutine asks and nobody waits for it: a name is in the events from when it is
// known.
type NameService struct {
	ask     func(ctx context.Context, uid uint32) (string, error)
	failed  func(uid uint32, first bool, err error)
	waiting chan uint32
	told    bool // that it fails; Run's own

	mu      sync.Mutex
	asked   map[uint32]bool // waiting, or being asked
	answers map[uint32]answer
}

// An answer is the last name of a user, empty if there never was one.
type answer struct {
	name    string
	expires time.Time // it is asked for again after this
}

const (
	askTimeout    = 5 * time.Second
	foundExpires  = 10 * time.Minute
	missedExpires = time.Minute

	// Whoever may take on many ids (subuid(5) gives 65,536) must not keep the host
	// busy with our questions.
	askPause = 100 * time.Millisecond

	mostWaiting = 64
	mostAnswers = 4096
)

// NewNameService returns the users that ask knows. It calls failed for each failure
// of ask, which costs no evidence: the number is in the event. A nil NameService
// knows nobody.
func NewNameService(ask func(context.Context, uint32) (string, error), failed func(uid uint32, first bool, err error)) *NameService {
	return &NameService{
		ask: ask, failed: failed, waiting: make(chan uint32, mostWaiting),
		asked: map[uint32]bool{}, answers: map[uint32]answer{},
	}
}

// userName returns what is known of a user now, and has it asked for if that is
// nothing or old.
func (s *NameService) userName(uid uint32, now time.Time) string {
	if s == nil || uid == event.Unset {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, known := s.answers[uid]
	if !known || now.After(a.expires) {
		s.want(uid)
	}
	return a.name
}

// want puts a user among those who wait, if there is room. For whom there is none,
// a later event asks.
func (s *NameService) want(uid uint32) {
	if s.asked[uid] {
		return
	}
	select {
	case s.waiting <- uid:
		s.asked[uid] = true
	default:
	}
}

// Run asks, one at a time, until ctx is done. Then it ends as soon as ask returns.
func (s *NameService) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case uid := <-s.waiting:
			s.learn(ctx, uid)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askPause):
		}
	}
}

// learn asks for a user's name and keeps the answer.
func (s *NameService) learn(ctx context.Context, uid uint32) {
	limited, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	name, err := s.ask(limited, uid)
	if err != nil && ctx.Err() == nil {
		s.failed(uid, !s.told, err)
		s.told = true
	}
	s.keep(uid, name)
}

// keep notes an answer. No name may mean that the service's server is away, which
// looks the same, so the last name stays until there is another.
func (s *NameService) keep(uid uint32, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, uid)
	a := answer{name, time.Now().Add(foundExpires)}
	if name == "" {
		a = answer{s.answers[uid].name, time.Now().Add(missedExpires)}
	}
	if _, known := s.answers[uid]; !known && len(s.answers) == mostAnswers {
		s.makeRoom()
	}
	s.answers[uid] = a
}

// makeRoom forgets somebody, rather one without a name.
func (s *NameService) makeRoom() {
	var victim uint32
	for uid, a := range s.answers {
		victim = uid
		if a.name == "" {
			break
		}
	}
	delete(s.answers, victim)
}
