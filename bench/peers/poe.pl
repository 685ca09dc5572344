# The job as POE does it: a session, a wheel for each connection, POE::Filter::HTTPD.
use strict;
use warnings;
use IO::Poll;    # so that POE's loop is on poll(2): select(2) ends at 1024 descriptors
use POE qw(Wheel::SocketFactory Wheel::ReadWrite Filter::HTTPD Filter::Line);
use HTTP::Response;
use Socket qw(inet_aton);

use constant LONG_POLL => 28;

my ($host, $port, $path) = $ARGV[0] =~ m{^http://([^:/]+):(\d+)(/.*)$} or die 'usage: poe.pl FEED_URL';
my ($rev, $body) = ('', '');
my (%clients, %waiting);

sub answer {
    my ($id) = @_;
    my $response = HTTP::Response->new(200, 'OK');
    $response->protocol('HTTP/1.1');
    $response->header('Content-Type' => 'application/json', 'Cache-Control' => 'no-cache',
        'Content-Length' => length $body);
    $response->content($body);
    $clients{$id}->put($response) if $clients{$id};
}

POE::Session->create(inline_states => {
    _start => sub {
        my ($kernel, $heap) = @_[KERNEL, HEAP];
        $heap->{feed} = POE::Wheel::SocketFactory->new(
            RemoteAddress => $host, RemotePort => $port,
            SuccessEvent => 'feed_connected', FailureEvent => 'failed');
        $heap->{listener} = POE::Wheel::SocketFactory->new(
            BindAddress => '127.0.0.1', BindPort => 0, ListenQueue => 4096, Reuse => 1,
            SuccessEvent => 'accepted', FailureEvent => 'failed');
        my ($own) = Socket::unpack_sockaddr_in($heap->{listener}->getsockname());
        $| = 1;
        print "http://127.0.0.1:$own/\n";
    },
    failed => sub { die "@_[ARG0 .. ARG2]" },
    feed_connected => sub {
        my ($heap, $socket) = @_[HEAP, ARG0];
        $heap->{feed} = POE::Wheel::ReadWrite->new(Handle => $socket,
            Filter => POE::Filter::Line->new(Literal => "\n"),
            InputEvent => 'line', ErrorEvent => 'failed');
        $heap->{feed}->put("GET $path/_changes?feed=continuous&include_docs=true&since=0 HTTP/1.1\r",
            "Host: $host\r", "\r");
    },
    line => sub {
        my ($kernel, $line) = @_[KERNEL, ARG0];
        # The feeder's own lines: a parser would only make Perl slower.
        return unless $line =~ /^\{"seq":"[^"]*","id":"overview","changes":\[\{"rev":"([^"]*)"\}\],"doc":(.*)\}$/;
        ($rev, $body) = ($1, $2);
        my %woken = %waiting;
        %waiting = ();
        while (my ($id, $alarm) = each %woken) {
            $kernel->alarm_remove($alarm);
            answer($id);
        }
    },
    accepted => sub {
        my ($heap, $socket) = @_[HEAP, ARG0];
        my $client = POE::Wheel::ReadWrite->new(Handle => $socket, Filter => POE::Filter::HTTPD->new,
            InputEvent => 'request', ErrorEvent => 'left');
        $clients{$client->ID} = $client;
    },
    request => sub {
        my ($kernel, $request, $id) = @_[KERNEL, ARG0, ARG1];
        return answer($id) if $request->isa('HTTP::Response');
        my ($has) = $request->uri->path =~ m{^/overview/(.+)$};
        if (defined $has && $has eq $rev) {
            $waiting{$id} = $kernel->delay_set(timed_out => LONG_POLL, $id);
        }
        else {
            answer($id);
        }
    },
    timed_out => sub {
        my $id = $_[ARG0];
        answer($id) if delete $waiting{$id};
    },
    left => sub {
        my ($kernel, $id) = @_[KERNEL, ARG3];
        my $alarm = delete $waiting{$id};
        $kernel->alarm_remove($alarm) if $alarm;
        delete $clients{$id};
    },
});
POE::Kernel->run;
