"""Equality of answers, type by type: pairs that say the same, and pairs that do not."""

from __future__ import annotations

import pytest

from jorney.domain.equivalence import compare

EQUAL = r"""
12 <=> 12 (twelve)
105 <=> 105 (one hundred and five)
21 <=> 21 (Twenty-one)
2020 <=> 2020 (two thousand twenty)
8.3 J/(mol K) <=> 8.3\ \mathrm{J\,mol^{-1}\,K^{-1}}
8.3 J/(mol·K) <=> 8.3
4.2 J/(g °C) <=> 4.2 \text{ J}/(\text{g}\cdot{}^\circ\text{C})
12 \Omega <=> 12
12\,\Omega <=> 12 ohms
12 Ω <=> 12 \Omega
4.7 k\Omega <=> 4.7 kΩ
3\Omega <=> \Omega \cdot 3
7 a day <=> 7 per day
7 a day <=> 7
60 miles an hour <=> 60 mph
x \neq 1, 2 <=> x ≠ 2 and x ≠ 1
x \ne 2, 1 <=> \mathbb{R} \setminus \{1, 2\}
x \neq -1, 0, 1 <=> (-\infty,-1)\cup(-1,0)\cup(0,1)\cup(1,\infty)
\begin{pmatrix}1\\2\end{pmatrix} <=> (1,2)
\begin{bmatrix} 1/2 \\ -3 \\ 0 \end{bmatrix} <=> \langle 0.5, -3, 0 \rangle
3 to 4 <=> 3:4
ΔABC <=> \Delta ABC
2\frac{3}{4} <=> 2.75
7 1/2 <=> \frac{15}{2}
3½ <=> 3.5
2\cdot\frac12 <=> 1
-2 1/4 <=> -2.25
1\frac{1}{2} <=> 1.5 hours
50\% <=> 0.5
50% <=> 50
33\frac13\% <=> \frac13
20 percent <=> 20\%
0.2 <=> 20\%
1,234,567 <=> 1234567
120{,}000 <=> 120000
1 234 567 <=> 1234567
345,678 <=> 345, 678
345,678 <=> 678, 345
12,345 dollars <=> 12345
(345,678) <=> (345, 678)
100,200,300 <=> 300, 200, 100
4,500 <=> 4500
9.8 <=> 9.8 m/s^2
9.8 <=> 9.8\ \mathrm{m/s^2}
9.8 m/s^2 <=> 9.8\,\text{m}/\text{s}^2
9.8 m s^{-2} <=> 9.8 m/s^2
5 cm <=> 5 centimeters
5 cm^3 <=> 5 cubic centimeters
5 cm² <=> 5 sq cm
45 <=> 45^\circ
45° <=> 45 degrees
45 <=> 45^{\circ}C
\$25 <=> 25
$25 <=> 25 dollars
\$25.50 <=> 25.5
3 million <=> 3000000
3 million dollars <=> \$3,000,000
5 dozen <=> 60
10:00 AM <=> 10 a.m.
3:4 <=> 3 : 4
(B) <=> B
B <=> B. 12
\text{(B)} <=> (B) 12
12 <=> (B) 12
\textbf{(E)} <=> E
D <=> D) 3
A <=> A: 7
\text{odd} <=> Odd
Alice <=> alice
Monday <=> \text{Monday}
xy <=> x y
xy <=> x \cdot y
2xy <=> 2yx
x+y <=> y+x
n \text{ is prime} <=> n is prime
1.5e-3 <=> 0.0015
1.5e-3 <=> 1.5\times10^{-3}
2e5 <=> 200000
2 e^5 <=> 2e^{5}
2\times10^5 <=> 2x10^5
1e3 <=> 1000
1.2E+4 <=> 12000
0.5 <=> \frac12
3.0 <=> 3
0.\overline{3} <=> 1/3
0.1\overline{6} <=> 1/6
infinity <=> \infty
\sqrt{12} <=> 2\sqrt3
\sqrt[3]{16} <=> 2\sqrt[3]{2}
x=-3 <=> -3
x = 5 \text{ cm} <=> 5
-3=x <=> x=-3
y=x^2 <=> x^2
x+y=3 <=> 2x+2y=6
2x=6 <=> x=3
x=2, y=3 <=> (2,3)
x=2,y=3 <=> y=3,x=2
x=1 \text{ or } x=2 <=> 1,2
x=1,2 <=> x=2,1
(3,\infty) <=> x>3
[3,\infty) <=> x\ge3
x>3 <=> 3<x
-1\le x\le 4 <=> [-1,4]
x<-2 \text{ or } x>2 <=> (-\infty,-2)\cup(2,\infty)
x \ne 0 <=> (-\infty,0)\cup(0,\infty)
\mathbb{R} <=> all real numbers
2x>6 <=> x>3
-x>3 <=> x<-3
\{1,2,3\} <=> 3,2,1
(1,2,3) <=> (1,2,3)
\emptyset <=> \{\}
\emptyset <=> no solution
1011_2 <=> 1011_{2}
1011_2 <=> 1011_{two}
(1011)_2 <=> 1011_2
1011_{\text{two}} <=> 1011_2
A3_{16} <=> A3_{16}
June 5 <=> June 5th
5 June <=> June 5
5\text{th} <=> 5
5^{\text{th}} <=> 5th
\pm 3 <=> 3,-3
x=\pm 3 <=> x=3 \text{ or } x=-3
2\pm\sqrt3 <=> 2+\sqrt3, 2-\sqrt3
\begin{bmatrix}1&0\\0&1\end{bmatrix} <=> \begin{pmatrix}1&0\\0&1\end{pmatrix}
\left[\begin{array}{cc}1&2\\3&4\end{array}\right] <=> \begin{bmatrix}1&2\\3&4\end{bmatrix}
\dfrac{x}{2} <=> x/2
\tfrac12 <=> 1/2
\left(\frac12,3\right) <=> (0.5,3)
x(x+1) <=> x^2+x
\sin^2 x+\cos^2 x <=> 1
\sin 2x <=> 2\sin x\cos x
\cos(x) <=> \cos x
\arctan 2 <=> \tan^{-1} 2
\log_{10} 2 <=> \log 2
e^x <=> \exp(x)
\ln(x^2) <=> 2\ln x
|x-1| <=> |1-x|
\binom{n}{2} <=> \frac{n(n-1)}{2}
\frac{1}{x+1} <=> 1/(x+1)
2^{10} <=> 1024
3^{2n} <=> 9^n
x_1+x_2 <=> x_2+x_1
-\frac{x}{y} <=> \frac{-x}{y}
\color{red}{7} <=> 7
\textcolor{blue}{7} <=> 7
\color{red}7 <=> 7
\mathrm{7} <=> 7
\boxed{7} <=> 7
7\! <=> 7
7 \\ <=> 7
\mathbf{x}+1 <=> x+1
\text{The final answer is }\boxed{12} <=> 12
7. <=> 7
**7** <=> 7
2x^2-3x+1 <=> 2x^{2} - 3x + 1
\frac{a}{b} <=> a/b
5\sqrt{3} \text{ inches} <=> 5\sqrt3
4\pi \text{ cm}^2 <=> 4\pi
6 or 7 <=> 7, 6
\frac{3}{4}\text{ cup} <=> 3/4
\int_0^1 x dx <=> 1/2
\sum_{k=1}^{3} k <=> 6
1-i <=> -i+1
3+4i <=> 4i+3
\angle ABC = 40^\circ <=> 40
7\text{ and }8 <=> 8, 7
k=7 <=> 7
P(A)=0.3 <=> 0.3
(x-2)(x+3) <=> x^2+x-6
\frac{\sqrt{2}}{2} <=> \frac{1}{\sqrt{2}}
\cot x <=> 1/\tan x
\text{C} <=> (C)
12 \text{ km per hour} <=> 12 km/h
-5 <=> (-5)
A\cup B <=> B\cup A
\$1.50 <=> $1.5
4! <=> 24
x^2 y <=> x^2y
4 2/3 <=> \frac{14}{3}
1.75 <=> 1\frac{3}{4}
1.75 <=> 1 + 3/4
-5/2 <=> -2 1/2
7/3 <=> 2 \frac13
7/3 <=> 2\dfrac{1}{3}
7/3 <=> 2\tfrac13
5 3/8 inches <=> 43/8
2 1/2 hours <=> 2.5
5⅓ <=> 16/3
72\% <=> 72
72\% <=> 0.72
72\% <=> \frac{18}{25}
72\% <=> 72\text{ percent}
72% <=> 72\ \%
6.25\% <=> 6.25 \%
6.25% <=> 1/16
x=20\% <=> 20
1{,}234{,}567 <=> 1234567
45\,000 <=> 45000
45 000 <=> 45000
1,234.56 <=> 1234.56
10,000,000 <=> 10^7
100,000 <=> 100000
12,500 m^2 <=> 12500
\$12,345.67 <=> 12345.67
(2,345) <=> (2, 345)
101,202 <=> 101, 202
101,202 <=> 202, 101
101,202 <=> 101202
\{101,202\} <=> 202,101
101,202,303 <=> 303, 202, 101
[101,202] <=> [101, 202]
x=101,202 <=> x=101, x=202
12 <=> 12 \text{ m}^3
12 <=> 12\,\mathrm{m}^{3}
12 <=> 12 ft
12 <=> 12 ft.
12 <=> 12ft
12 in^2 <=> 12 square inches
12 <=> 12 sq. units
12 <=> 12 units^2
12 <=> 12 kg·m/s
12 <=> 12\ \text{kg}\cdot\text{m}/\text{s}
12 <=> 12 miles per hour
12 <=> 12 mi/h
12 mph <=> 12 miles per hour
12 <=> 12 students
12 <=> 12 blue marbles
12 <=> 12 (students)
12 <=> \$12
12 <=> 12\$
12 <=> US\$12
12 <=> USD 12
12 <=> £12
12 <=> 12 L
12 <=> 12 g
12 <=> 12 s
12 <=> 12 Hz
12 <=> 12 N
12 <=> 12 cm cubed
12 \text{ cubic inches} <=> 12 in^3
3\pi <=> 3\pi \text{ square units}
\frac{3}{4} <=> \frac{3}{4} \text{ miles}
10^{-3} <=> 10^{-3} m
45 <=> 45 degrees
12 <=> 12 \mu m
12 <=> 12 people
12 <=> 12 per day
5 <=> 5 A
7:15 a.m. <=> 7:15 AM
7:15\text{ AM} <=> 7:15 am
7:05 <=> 7:5
7:15 A.M. <=> 7:15a.m.
\text{blue} <=> \textbf{Blue}
\text{Tom} <=> Tom.
\text{(D)} <=> \mathbf{(D)}
(D) <=> D)
D <=> \text{D}.
E <=> (E) none of these
no <=> No.
yes <=> Yes
false <=> False
\text{none} <=> None
\text{none} <=> no solution
\text{No solutions} <=> there are no solutions
\text{undefined} <=> Undefined
March 3rd <=> 3 March
A,C <=> A, C
\text{A, C} <=> A, C
A and C <=> A, C
Wednesday <=> wednesday
x\in(1,4) <=> (1,4)
x \in (1,4) <=> 1<x<4
(-\infty, 3) <=> x<3
(-\infty,3)\cup(3,\infty) <=> x\neq 3
(-\infty,3)\cup(3,\infty) <=> \mathbb{R}\setminus\{3\}
\{x \mid x>2\} <=> (2,\infty)
\{x : 0 \le x \le 1\} <=> [0,1]
\left[-1,\frac32\right) <=> [-1,1.5)
k\geq 2 <=> k>=2
x\le -1 \text{ or } x\ge 1 <=> (-\infty,-1]\cup[1,\infty)
(-\infty, \infty) <=> \mathbb{R}
(0,1) \cup (1,2) <=> (1,2)\cup(0,1)
m < 5 <=> 5 > m
(1,2) <=> 1<x<2
3,5 <=> 5 and 3
3,5 <=> 5, and 3
3,5 <=> x=3,5
3,5 <=> \{3,5\}
\{3,5\} <=> \{5,3\}
3,5 <=> 3 \text{ or } 5
\pm\sqrt{2} <=> \sqrt2,-\sqrt2
-1,2,3 <=> 3,2,-1
x=3 \text{ and } x=5 <=> 3,5
x_1=3,x_2=5 <=> 3,5
1\pm i <=> 1+i,1-i
\frac12,3 <=> 3,0.5
2\pm 3 <=> 5,-1
(1,-2,3) <=> \langle 1,-2,3\rangle
(3,4) <=> x=3,y=4
(3,4) <=> (x,y)=(3,4)
(0.5,1) <=> (\frac12,1)
(1,2),(2,1) <=> (2,1),(1,2)
(x,y)=(1,2) <=> (1,2)
(a,b,c)=(1,2,3) <=> (1,2,3)
(a,b)=(1,2) <=> a=1,b=2
(1,2) \text{ and } (3,4) <=> (3,4),(1,2)
6.02 \times 10^{23} <=> 6.02e23
6.02e23 <=> 6.02E+23
6.02e23 <=> 6.02*10^23
5e-4 <=> 0.0005
5e-4 <=> 5 \cdot 10^{-4}
1.38e-23 <=> 1.38 × 10^{-23}
1.38e-23 J/K <=> 1.38e-23
2.0e5 <=> 2e5
10^6 <=> 1000000
10^6 <=> 1e6
3.2\times10^4 <=> 32000
-.5 <=> -0.5
.25 <=> 1/4
3.50 <=> 3.5
007 <=> 7
+3 <=> 3
1.0 <=> 1
2. <=> 2
0.1 <=> .10
\frac{5}{6} <=> 5/6
\frac56 <=> {5\over6}
\frac{5}{6} <=> \frac{10}{12}
-\frac56 <=> -5/6
\frac{-5}{6} <=> -\frac{5}{6}
5/6 <=> 5÷6
\cfrac{5}{6} <=> 5/6
\frac{a+b}{2} <=> (a+b)/2
2-3i <=> -3i+2
i^2 <=> -1
\frac{1+i}{2} <=> 0.5+0.5i
e^{i\pi/2} <=> i
3i <=> 3\mathrm{i}
2\pi <=> 2π
\frac{\pi}{2} <=> pi/2
\frac{\pi}{2} <=> 0.5\pi
2\pi <=> 2 * pi
2\pi r <=> 2πr
3\sqrt5 <=> sqrt(45)
3\sqrt5 <=> \sqrt{45}
\sqrt[4]{8} <=> 8^{1/4}
3√5 <=> 3\sqrt{5}
√(5) <=> \sqrt5
\sqrt{5}/5 <=> 1/\sqrt5
sqrt(2)/2 <=> \frac{\sqrt2}{2}
\log_3 5 <=> \frac{\log 5}{\log 3}
ln 5 <=> \ln(5)
\tan^2 x <=> \sec^2 x-1
6! <=> 720
\binom{6}{3} <=> 20
{6 \choose 3} <=> 20
x²-1 <=> (x-1)(x+1)
x**3 <=> x^3
x^3 <=> x^{3}
2**n <=> 2^n
3*x <=> 3x
x*y <=> xy
ab <=> a*b
abc <=> a \cdot b \cdot c
a^{-1} <=> 1/a
x^{1/2} <=> \sqrt{x}
2^{-n} <=> 1/2^n
\exp(2) <=> e^2
\lfloor 2.7 \rfloor <=> 2
n(n+1)/2 <=> \frac{n^2+n}{2}
\sin\theta <=> \sin(\theta)
\sin 30^\circ <=> 1/2
\max(a,b) <=> \max(b,a)
\cos 2x <=> 1-2\sin^2 x
x^2+C <=> x^2+C
t=4 <=> 4
y=-x+2 <=> x+y=2
y=-x+2 <=> x+y-2=0
CD = 7 <=> 7
\angle XYZ=70^\circ <=> 70^\circ
a_{5}=16 <=> 16
xy=12 <=> 12
7 <=> 2+5=7
f(3)=7 <=> 7
g(x)=x^2 <=> x^2
P(x)=x+1 <=> x+1
0.25 <=> p = \frac14 = 0.25
≈2.71 <=> 2.71
x \approx 2.71 <=> 2.71
\text{Area}=12 <=> 12
\text{Area} = 12 \text{ cm}^2 <=> 12
(x-1)^2+(y-2)^2=9 <=> (y-2)^2+(x-1)^2=9
y=2x <=> 2y=4x
y^2=4x <=> x=y^2/4
x=y <=> y=x
x=1 <=> 1=x
1,3,5,\ldots <=> 1,3,5,...
\begin{pmatrix}1\\2\\3\end{pmatrix} <=> \begin{bmatrix} 1 \\ 2 \\ 3 \end{bmatrix}
\begin{pmatrix}0.5\\1\end{pmatrix} <=> \begin{pmatrix}\frac12\\1\end{pmatrix}
\begin{pmatrix} 1 & 2 \\ 3 & 4 \\ \end{pmatrix} <=> \begin{pmatrix}1&2\\3&4\end{pmatrix}
\left(\begin{array}{c}1\\2\end{array}\right) <=> \begin{pmatrix}1\\2\end{pmatrix}
11 <=> \mathit{11}
11 <=> \Large 11
11 <=> {\bf 11}
11 <=> \textstyle 11
11 <=> \;11\;
11 <=> ~11~
11 <=> 11\\
11 <=> \color{blue}{11}
11 <=> \color{blue} 11
11 <=> \boxed{11}
11 <=> \fbox{11}
11 <=> \[11\]
11 <=> \text{Final answer: }11
11 <=> The answer is 11
11 <=> \text{The answer is }11.
11 <=> answer = 11
11 <=> \{11\}
11 <=> ((11))
11 <=> \left\{11\right\}
11 <=> \phantom{0}11
11 <=> \hspace{2mm}11
11 <=> \underline{\underline{11}}
11 <=> "11"
11 <=> '11'
11 <=> `11`
11 <=> *11*
2 < x < 5 <=> 2<x<5
$x=1$, $y=2$ <=> x=1, y=2
$12$ or $13$ <=> 12, 13
$\sqrt{2}$ <=> \sqrt2
$a=1,b=2$ <=> (1,2)
$3\lfloor n/2\rfloor$ <=> 3\lfloor \frac n2 \rfloor
$\{1,2,3\}$ <=> 1,2,3
$\{x|x=2k+1,k\in\mathbb{Z}\}$ <=> \{x \mid x = 2k+1, k \in \mathbb{Z}\}
13,300,000 <=> 13300000
10, 1,000 <=> 1000, 10
5^{\text{nd}} <=> 5
3rd <=> 3
21^{st} <=> 21
45,678,912 <=> 45678912
\frac{dy}{dx}=3x <=> 3x
\sum_{k=1}^{4} k <=> 10
\lim_{x\to 0} \frac{\sin x}{x} <=> 1
2xy <=> 2 xy
4ab <=> 4 ab
2\pi rh <=> 2 \pi r h
\frac{1}{2}bh <=> \frac{1}{2} bh
\frac12 mv^2 <=> \frac{1}{2} m v^2
2xy <=> 2(xy)
3ab <=> 3\,ab
-3xy <=> -3 xy
a+b=0 <=> 0
x+y=0 <=> 0
(2,\pi/3) <=> r=2, \theta=\pi/3
\left(2, \frac{\pi}{3}\right) <=> (r,\theta) = \left(2, \frac{\pi}{3}\right)
\begin{pmatrix} 1/2 & -1 \\ 0 & 3\end{pmatrix} <=> \frac{1}{2}\begin{pmatrix} 1 & -2 \\ 0 & 6\end{pmatrix}
1 < x < 3 <=> x>1 and x<3
(1,3) <=> x > 1, x < 3
(-\infty,1)\cup(3,\infty) <=> x < 1, x > 3
\log_2(8) <=> log2(8)
\cot^{-1} x <=> \operatorname{arccot} x
15 <=> 5!!
\binom{10}{3} <=> {}^{10}C_3
120 <=> ^{10}C_3
120 <=> _{10}C_3
120 <=> 10C3
x^2\frac{1}{2} <=> \frac{x^2}{2}
18.5 <=> \$18.50 per hour
18 <=> exactly 18
18 <=> only 18
18 <=> a total of 18
f(x)=cx <=> f(x)=c x
0.\overline{3} <=> 0.333...
\frac13 <=> 0.333...
0.(3) <=> \frac13
\text{(B)} <=> option B
\text{(B)} <=> Option (B)
\text{(B)} <=> choice B
x=5,y=3 <=> \begin{cases} x=5 \\ y=3 \end{cases}
-3 <=> minus 3
-3 <=> negative 3
\max(a,b) <=> \max\{a,b\}
\gcd(a,b) <=> \gcd(b,a)
y=mx <=> y=m x
y=mx <=> y=m\cdot x
y=kx <=> y = k x
f(x)=ax <=> f(x)=a x
V=lwh <=> V=l w h
(ab, cd) <=> (a b, c d)
\{ab, bc\} <=> \{a b, b c\}
0<x<ab <=> 0<x<a b
x>ab <=> x>a b
abcd <=> a b c d
2abcd <=> 2 a b c d
\pi rl <=> \pi r l
32 <=> 32 times
5 <=> 5 dollars each
5 <=> 5 cookies each
5 <=> 5 \text{ days to finish}
5 <=> 5 \text{ dollars for each}
5 <=> 5 left over
\frac{\pi^2}{6} <=> \zeta(2)
\max\{a,b\} <=> \max(a,b)
k=4,7 <=> 7,4
x=1 or x=2 <=> 1,2
p = 2 \text{ or } 3 <=> p=3,2
y=2x+3 <=> 2x-y+3=0
(C) <=> C. 14
(B) x+1 <=> B
B. 2x+3 <=> 2x+3
|x-7| <=> |7-x|
\sqrt{x^2} <=> |x|
\max(x,y) <=> \frac{x+y+|x-y|}{2}
\lfloor x+1 \rfloor <=> \lfloor x \rfloor+1
\min(a,b)+\max(a,b) <=> a+b
|xy| <=> |x||y|
\lfloor -x \rfloor <=> -\lceil x \rceil
\gcd(12,18) <=> 6
\operatorname{lcm}(4,6) <=> 12
\frac{n!}{(n-2)!} <=> n(n-1)
\binom{2n}{n} <=> \frac{(2n)!}{(n!)^2}
\sqrt{x}\sqrt{x} <=> x
\ln(xy) <=> \ln x+\ln y
\sqrt{12x} <=> 2\sqrt{3x}
2\arctan x <=> \arctan x+\arctan x
x^{3/2} <=> x\sqrt{x}
|x-1|<2 <=> |1-x|<2
y=|2x-4| <=> y=2|x-2|
2 gh <=> 2gh
2 ab <=> 2ab
\frac13 \pi r^2 h <=> \frac{1}{3}\pi r^2h
\frac12 mv^2 <=> \frac{mv^2}{2}
3 bc <=> 3 b c
10 kN <=> 10
2a=3b=4c <=> 4c=3b=2a
\frac{x}{2}=\frac{y}{3}=\frac{z}{4} <=> 6x=4y=3z
AB = BC = 5 <=> AB=5, BC=5
x=\frac{6}{4}=\frac{3}{2}=1.5 <=> 1.5
x=\sqrt{2}\approx 1.414 <=> \sqrt{2}
\sqrt{3} \approx 1.73 <=> \sqrt3
P(1+r)^2 <=> (1+r)^2 P
a(b+c) <=> ab+ac
\pi(r^2+h) <=> \pi r^2+\pi h
2\pi(5) <=> 10\pi
P(x)+P(y) <=> P(y)+P(x)
\Gamma(x+1) <=> x\Gamma(x)
\Gamma(5) <=> 24
f(x)+g(x) <=> g(x)+f(x)
x(x-1) <=> x^2-x
3000!/2999! <=> 3000
2^{2000000} <=> 4^{1000000}
x^{2023}y <=> y x^{2023}
(2+\sqrt{3})^{20}(2-\sqrt{3})^{20} <=> 1
\sqrt{10^{80}} <=> 10^{40}
x^2\frac12 <=> \frac{x^2}{2}
log2(8) <=> 3
log10(5) <=> \log 5
\sec^{-1}(2) <=> \arccos\frac12
\sinh^{-1} x <=> \operatorname{arcsinh} x
5!! <=> 15
6!! <=> 48
√2.25 <=> 1.5
0.1(6) <=> \frac16
-0.(3) <=> -1/3
0.333... <=> 1/3
2ⁿ <=> 2^n
2ᵏ <=> 2^{k}
3⅐ <=> 22/7
0x1F <=> 1F_{16}
10C3 <=> 120
5P2 <=> 20
5 MW <=> 5 megawatts
5 kHz <=> 5 kilohertz
5 KG <=> 5 kg
5 Km <=> 5 km
\$18.50 per hour <=> 18.5
EUR 5 <=> €5
USD 5 <=> $5
Rs. 5 <=> 5
(r,\theta)=(2,\pi/3) <=> r=2, \theta=\pi/3
\left(2,\frac{\pi}{3}\right) <=> (r,\theta)=(2,\pi/3)
y=3,x=2 <=> (2,3)
no real solutions <=> no solution
y=kx+b <=> y=b+kx
32 times <=> 32
17 dollars each <=> 17
24 left over <=> 24
5 days to finish <=> 5 days
5 days to finish <=> 5
4 times a year <=> 4
12 students left in the class <=> 12
2 weeks to finish all the chocolate <=> 2
113 nuts and bolts <=> 113
exactly 18 <=> 18
only 18 <=> 18
a total of 18 <=> 18
negative 3 <=> -3
minus 3 <=> -3
option B <=> (B)
choice (B) <=> B
x > 1, x < 3 <=> (1,3)
x > 1 and x \le 3 <=> (1,3]
x < 1, x > 3 <=> (-\infty,1)\cup(3,\infty)
x \ge 2, x \ge 5 <=> [5,\infty)
\frac12\begin{pmatrix}1&-2\\0&6\end{pmatrix} <=> \begin{pmatrix}1/2&-1\\0&3\end{pmatrix}
2\begin{pmatrix}1\\2\end{pmatrix} <=> (2,4)
-\begin{bmatrix}1&2\end{bmatrix} <=> \begin{bmatrix}-1&-2\end{bmatrix}
\begin{cases} x=5 \\ y=3 \end{cases} <=> x=5,y=3
\begin{cases} a=1 \\ b=2 \\ c=3 \end{cases} <=> (1,2,3)
\max\{a,b\} <=> \max(b,a)
\min\{x,y,z\} <=> \min(z,y,x)
10 cubic feet <=> 10 ft^3
10 sq ft <=> 10 ft^2
10 years old <=> 10 years
10 big red apples <=> 10
10 eV <=> 10
\{x \mid x > 1\} <=> x>1
\frac{dy}{dx} = 2x <=> 2x
f'(x)=2x <=> 2x
\cos^{-1}(x) <=> \arccos x
E[X] + E[Y] <=> E[Y]+E[X]
\ln|x|+C <=> \ln|x| + C
\frac{|x|}{2} <=> 0.5|x|
\sqrt{x^2+4x+4} <=> |x+2|
e^{\ln x} <=> x
\sqrt[3]{x^3} <=> x
\sqrt{a}\sqrt{b} <=> \sqrt{ab}
\frac{1}{\sqrt{x}} <=> \frac{\sqrt{x}}{x}
\log_2 n <=> \frac{\ln n}{\ln 2}
\frac{a}{\sqrt{a^2+b^2}} <=> \frac{a\sqrt{a^2+b^2}}{a^2+b^2}
\sqrt{x-5} <=> (x-5)^{1/2}
4^{n/2} <=> 2^n
\frac{(n+1)!}{n!} <=> n+1
\lfloor \frac{n}{2} \rfloor <=> \lfloor n/2 \rfloor

40 boys did not join the club <=> 40
15 seats can be given to the parents <=> 15 seats
25ml of oil <=> 25
22 CDs <=> 22
72 clips altogether in April and May <=> 72
31 slices of cheese in all <=> 31 slices
10 pizzas are needed <=> 10
"""
DIFFERENT = r"""
12 <=> 12 (eleven)
65 <=> 65 (six five)
20 <=> 20 (twelve)
150 <=> 150 (one hundred and five)
8.3 J/(mol K) <=> 8.3 J/mol K
8.3 J/(kg s) <=> 8.3 J/(kg m)
12 \Omega <=> 12 cm
12 \Omega <=> 12 k\Omega
3 M\Omega <=> 3 k\Omega
7 a day <=> 7 a week
x \neq 1, 2 <=> x \neq 1, 3
x \neq 1, 2 <=> x = 1, 2
x \neq 1, 2 <=> 1, 2
x \neq 1 or x \neq 2 <=> x \neq 1, 2
\begin{pmatrix}1\\2\end{pmatrix} <=> (2,1)
\begin{pmatrix}1\\2\end{pmatrix} <=> 1, 2
\begin{pmatrix}1\\2\end{pmatrix} <=> [1, 2]
\begin{vmatrix}1\\2\end{vmatrix} <=> (1,2)
3:4 <=> 4/3
3:4 <=> 6:8
7:05 <=> 7/5
3 to 4 <=> 4 to 3
ΔABC <=> ABC
20\% increase <=> 20\% decrease
20\% increase <=> 20\%
3 1/2 <=> 31/2
2 1/2 <=> 1
50% <=> 5
33.3% <=> 1/3
(345,678) <=> 345678
4,500 <=> 4, 500
9.8 m/s <=> 9.8 m/s^2
5 cm <=> 5 m
5 cm^2 <=> 5 cm^3
45^\circ <=> -45^\circ
25 dollars <=> 25 euros
£25 <=> €25
3 million <=> 3
2.5 billion <=> 2.5 million
10 a.m. <=> 10 p.m.
2:30 PM <=> 2:30 AM
3:4 <=> 3:5
12:05 <=> 12:50
(B) 12 <=> (D) 12
B <=> b
(B) <=> (A)
odd <=> even
neither <=> either
listen <=> silent
ab <=> ba
xy <=> yx
abc <=> cab
2e5 <=> 2e^5
3.14 <=> \pi
3.14159 <=> \pi
1.41 <=> \sqrt2
0.333333333 <=> 1/3
\infty <=> -\infty
\sqrt2 <=> -\sqrt2
x=5 <=> y=5
x=5 <=> x=6
y=3x+1 <=> y=3x-1
x^2+y^2=4 <=> 4
x=2, y=3 <=> (3,2)
p=1,q=2 <=> p=2,q=1
x>3 <=> x<3
-1<x\le 4 <=> [-1,4]
(1,2)\cup(3,4) <=> (1,2)\cup(3,4]
-x>3 <=> x>-3
(0,1] <=> (0,1)
\{1,2,3\} <=> \{1,2\}
(1,2,3) <=> (3,2,1)
(1,2) <=> [1,2]
(1,2) <=> \{1,2\}
\emptyset <=> 0
1011_2 <=> 1011_3
1011_2 <=> 1101_2
5^{th} <=> 6th
\pm3 <=> \pm 4
\frac{1\pm\sqrt5}{2} <=> \frac{1+\sqrt{5}}{2}
\begin{pmatrix}1&0\\0&1\end{pmatrix} <=> \begin{pmatrix}1&0\\0&-1\end{pmatrix}
f(2x) <=> 2f(x)
|x| <=> x
\sqrt{x^2} <=> x
n! <=> n
x^{10} <=> x^1 0
a_1 <=> a_2
2x^2-3x+1 <=> 2x^2+3x+1
x^{2023}-1 <=> x^{2023}
x^{2023}-1 <=> x^{2023}+1
10^{-8} <=> 10^{-9}
e^{-20} <=> e^{-21}
2^{2023}-1 <=> 2^{2023}
9^{9^{9^9}} <=> 2
\frac{10^9!}{2} <=> 3
a/b <=> b/a
4\pi cm^2 <=> 4\pi \text{ cm}^3
6 is even <=> 6 is odd
6 more <=> 6
6 or 7 <=> 6
y \equiv 2 \pmod 5 <=> y \equiv 3 \pmod 5
-1 <=> --1
1 <=> -1
x <=> -x
2i <=> 2
\overline{AB} <=> \overline{AC}
\triangle ABC <=> \triangle ACB
AB=5 <=> AC=5
10 apples <=> 10 oranges
east <=> west
true <=> false
Yes <=> no
5 hours 30 minutes <=> 5 hours 20 minutes
5 hours 30 minutes <=> 5 hours
3,4,5 <=> (3,4,5)
60^\circ <=> \frac{\pi}{3}
1:2:3 <=> 1:2:4
C <=> C_1
7 \mod 10 <=> 7
x^2+bx <=> x^2+cx
1,000,000 <=> 1,000,00
120,050 <=> 50, 120
x \to 3 <=> 3
\sum_{k=1}^{4} k <=> 11
13/3 <=> 3 1/3
72\% <=> 7.2
20% <=> -20%
-20% <=> 20% decrease
100,000 <=> 10000
(2,345) <=> 2345
3,456 <=> 3, 456
1,2,3,4 <=> 1234
12,13 <=> 1213
101, 202 <=> 101202
[101,202] <=> 101202
12 <=> 12x
12 <=> 12 x
12 <=> 12 + m
12 <=> 12n
12 \text{ dollars} <=> 12 \text{ cents}
12 <=> 12 or so
12 cm <=> 12 mm
12 <=> 12%o
0.5 <=> 50 cents
7:15 a.m. <=> 7:15 p.m.
7:15 <=> 7:51
noon <=> midnight
12:00 p.m. <=> noon
10:45 <=> 1:45
\text{blue} <=> red
\text{right triangle} <=> right
\text{March 3} <=> March 4
7 \text{ and } 9 <=> 9
A, B <=> B, A
I, II <=> I, III
XII <=> XI
\text{infinitely many solutions} <=> infinitely many
left <=> right
stressed <=> desserts
dog <=> god
evil <=> vile
\text{on} <=> no
is <=> si
TEN <=> NET
\text{if } x>0 <=> \text{if } x<0
x \text{ is odd} <=> x \text{ is not odd}
all integers <=> all positive integers
p \text{ prime} <=> p composite
\text{two} <=> \text{three}
two <=> 2
[1,4) <=> (1,4]
(-\infty,3) <=> x \le 3
(1,4) <=> (1,5)
(1,4) <=> (-1,4)
[0,\infty) <=> [0,\infty]
-3 \le y \le 3 <=> -3 < y < 3
1<x<2 <=> 1<y<2
3,5 <=> 3
3,5 <=> 3,5,7
\pm\sqrt2 <=> \sqrt2
-1,2,3 <=> 1,2,3
1\pm i <=> 1+i
3 \text{ and } 5 <=> 5
(1,-2) <=> (-2,1)
(3,4) <=> x=4,y=3
(1,2),(2,1) <=> (1,2)
(1,2) <=> 1,2
A(1,2) <=> (1,2)
u=1,v=2 <=> v=1,u=2
6.02e23 <=> 6.02e22
7e2 <=> 7e^2
0.67 <=> \frac23
0.142857 <=> 1/7
1.23 <=> 1.24
\frac{5}{6} <=> \frac{6}{5}
5/6 <=> 5:6
2-3i <=> 2+3i
3i <=> 3I
2\pi <=> 6.28
\pi/3 <=> 60
\sqrt{2}+\sqrt{3} <=> \sqrt{5}
\ln 5 <=> log(5)
C(6,3) <=> 20
\lfloor x\rfloor <=> \lceil x\rceil
x+c <=> x+C
a <=> b
\alpha <=> \beta
R <=> r
t=4 <=> t=-4
x+y=2 <=> x-y=2
7 <=> 2+5=8
f(x)=x^2 <=> f(x)=x^3
f(x)=x^2 <=> g(x)=x^2
0.25 <=> p=\frac14=0.75
The area is 12 <=> 12
(x-1)^2+(y-2)^2=9 <=> (x+1)^2+(y-2)^2=9
y=2x <=> y=-2x
1,3,5,\ldots <=> 1,3,7,\ldots
1,3,5,\dots <=> 1,3,5
\begin{pmatrix}1&0\\2&3\end{pmatrix} <=> \begin{pmatrix}1&2\\0&3\end{pmatrix}
\begin{vmatrix}1&2\\3&4\end{vmatrix} <=> \begin{pmatrix}1&2\\3&4\end{pmatrix}
11 <=> [11]
11 <=> \mathbb{11}
11 <=> \overline{11}
11 <=> 11!
11 <=> -11
11 <=> 1.1
11 <=> 11^2
x \neq 1 <=> x \ne -1
2<x<5 <=> 2<x\le5
$n^2-1$ for all $n$ <=> n^2-1
$2^{100}$ <=> 2^{101}
\frac{2022}{2023} <=> \frac{2022}{2024}
$2^{n}-1$ <=> 2^n+1
\text{Alice and Bob} <=> \text{Alice and Carl}
1:2 <=> 2:1
a:b <=> b:a
\lfloor n/2 \rfloor <=> \lfloor n/3 \rfloor
\lceil n/2 \rceil <=> \lceil n/3 \rceil
\lfloor \frac{n^2}{4} \rfloor <=> 0
\lfloor \frac{n^2}{4} \rfloor <=> \lfloor \frac{n^2}{8} \rfloor
\left\lfloor \frac{n}{2} \right\rfloor + 1 <=> \lceil n/2 \rceil
\lceil n / 2\rceil+1 <=> \lceil n / 3\rceil+1
$m n-\lfloor m / 2\rfloor$ <=> mn-\lfloor m/3\rfloor
\lfloor x \rfloor <=> \lceil x \rceil - 1
\lfloor x/100 \rfloor <=> \lfloor x/10 \rfloor
|x+2| <=> x+2
|x-3| <=> 3-x
|x-5| <=> 5-x
\sqrt{(x-5)^2} <=> 5-x
\min(x,10) <=> x
\max(a,b,c) <=> \max(b,c)
\min(a,b,c,d) <=> \min(a,c,d)
y=|x| <=> y=x
f(x)=|x| <=> f(x)=x
|x|+|y|=1 <=> x+y=1
|x|<3 <=> x<3
|x|>3 <=> x>3
|x|\le 3 <=> x \le 3
|x|=3 <=> x=3
|z|=1 <=> z=1
y=\sqrt{x^2} <=> y=x
y=\lfloor x/2\rfloor <=> y=\lfloor x/3\rfloor
|x|+|y|\le 1 <=> x+y \le 1
2018!+1 <=> 2018!
2022!-1 <=> 2022!
2^{2000000}+1 <=> 2^{2000000}
10^{40}+\sqrt{2} <=> 10^{40}+\sqrt{3}
2^{100}+\sqrt{2} <=> 2^{100}+\sqrt{3}
\sqrt{10^{80}+1} <=> 10^{40}
(2+\sqrt{3})^{100}+(2-\sqrt{3})^{100} <=> (2+\sqrt{3})^{100}
a^{2023}+b^{2023}+c^{2023} <=> b^{2023}+c^{2023}
x^{2023}+y^{2023}+z^{2023} <=> y^{2023}+z^{2023}
log10(5) <=> 5
log2(8) <=> 8 \log 2
\cot^{-1} x <=> \tan x
\sec^{-1}(2) <=> \cos 2
\sinh^{-1}(1) <=> \frac{1}{\sinh 1}
\cot^{-1}(2) <=> \tan(2)
x^2\frac{1}{2} <=> x^{5/2}
10^2\frac{1}{2} <=> 10^{2.5}
2^3\frac{1}{2} <=> 2^{7/2}
2/3\frac{1}{2} <=> 2/3.5
√2.5 <=> \frac{\sqrt{2}}{2}
\sqrt2.5 <=> \frac{\sqrt{2}}{2}
\sqrt\frac{1}{2}x <=> \sqrt{\frac{x}{2}}
\sqrt\frac{2}{3}\pi <=> \sqrt{\frac{2\pi}{3}}
\sqrt\alpha\beta <=> \sqrt{\alpha\beta}
5!! <=> 120!
n!! <=> (n!)!
\zeta(4) <=> 2\zeta(2)
\Gamma(2x) <=> 2\Gamma(x)
\Gamma(6) <=> 6\Gamma(1)
\Phi(2) <=> 2\Phi(1)
P(2x) <=> 2P(x)
2T(n/2) <=> T(n)
T(n+1) <=> T(n)+T(1)
\phi(12) <=> 12\phi(1)
\varphi(10) <=> \varphi(2)\varphi(5)/\varphi
p(x+1) <=> p(x)+p(1)
u(x)v(x) <=> uvx^2
P(A)+P(B) <=> P(A+B)
6C5 <=> 10C3
5C2 <=> 2C5
10C3 <=> 3C10
5P3 <=> 3P5
0x1F <=> 0
0b101 <=> 0
2⅑ <=> 7/3
1⅐ <=> 11/7
2ˣ <=> 2x
2ᵏ <=> 2k
xᵐ <=> xm
aⱼ <=> aj
2 ab <=> 2
2(ab) <=> 2
3(xy) <=> 3
3 xy <=> 3
2\pi rh <=> 2\pi
\frac{1}{2} bh <=> \frac{1}{2}
\frac{1}{2} mv^2 <=> \frac{1}{2}
4 abc <=> 4
12 sinx <=> 12
2 cosx <=> 2
2 lnx <=> 2
5 logn <=> 5
3 fifths <=> 3
3 eighths <=> 3
2 sevenths <=> 2
5 sixths <=> 5
7 twelfths <=> 7
3 millionths <=> 3
5 below zero <=> 5
5 degrees below zero <=> 5
10 dollar loss <=> 10
3 lakh <=> 3
3 crore <=> 3
3 score <=> 3
3 gross <=> 3
3 mil <=> 3
3 bn <=> 3
3 pairs <=> 3
3 doubled <=> 3
3 tripled <=> 3
5 ms <=> 5 m
5 ns <=> 5 N
5 ks <=> 5 K
5 gs <=> 5 g
5 MW <=> 5 mW
5 Mm <=> 5 mm
5 ML <=> 5 mL
5 MHz <=> 5 mHz
5 Gb <=> 5 GB
5 Mg <=> 5 mg
5 KB <=> 5 Kb
EUR 5 <=> GBP 5
EUR 5 <=> $5
AU$5 <=> US$5
USD 5 <=> GBP 5
Rs. 5 <=> $5
(A) and (B) <=> A
(A) or (B) <=> A
(A) and (B) <=> (A)
(A)(B) <=> A
(A) (B) <=> B
(A) B <=> A
(A) B <=> B
(C) is incorrect <=> C
(A) is false <=> A
A) and B) <=> A
A. or B. <=> A
(A) & (B) <=> A
\text{(A) and (C)} <=> \text{(A)}
(I) and (II) <=> (I)
r=2,\theta=\pi/3 <=> (\pi/3,2)
\frac{x-1}{2}=\frac{y+3}{4}=\frac{z}{5} <=> \frac{x-1}{2}=\frac{y-3}{4}=\frac{z}{5}
x=y=z <=> x=z
2x=3y=6z <=> 2x=5y=6z
a=b=c <=> a=c
x=2y=6 <=> x=6
a=2b=3c <=> a=3c
x =/= 5 <=> x = 5
x =/= 5 <=> 5
not x = 5 <=> 5
x is not = 5 <=> 5
n! ways <=> n ways
x is .5 <=> x is 5
no real roots <=> no integer roots
\frac{1}{2 <=> \frac{1}{2}
\lim_{x\to 0^+} \frac{1}{x} <=> \lim_{x\to 0^-} \frac{1}{x}
\infty+1 <=> \infty-1000
\cancel{5} <=> 5
\cancel{5}6 <=> 56
A' <=> A
x' <=> x''
x=1,2 <=> x=1
x=1, 2 <=> x=1
x=1 or 2 <=> x=1
x=1,2 <=> 2x=2
x=1,2,3 <=> x=1,5,6
y=1,2 <=> y=1,3
n=2,3,4 <=> n=2,5,6
n=2,3,4 <=> n=2
x=2,-2 <=> x=2,3
x^2+y^2=9,16 <=> x^2+y^2=9
f(x)=2x, 3x <=> f(x)=2x
f(x)=0, x <=> f(x)=0, 2x
y=x,-x <=> y=x
0<x+y<1 <=> 0<X+y<1
0<2x<1 <=> 0<2X<1
\sum_{k=1}^n a_k <=> \sum_{k=1}^N a_k
\int_0^1 f dx <=> \int_0^1 F dx
0.(3) <=> 0
0.(3) <=> 0.(4)
1.(6) <=> 6
0.1(6) <=> 0.6
2.(45) <=> 90
x' <=> x
y' <=> y
AB' <=> AB
f'=g' <=> f'=g
f' <=> f
y'' <=> y
5' <=> 5"
5'' <=> 5'
30' <=> 30''
x=a' <=> x=a
P' <=> P
\triangle A'B'C' <=> \triangle A'B'C
(1)(2) <=> 2
1 000 <=> 1 00
3.141592653589793238462643383279 <=> \pi
1.41421356237309504880168872420969807857 <=> \sqrt{2}
45^\circ <=> 45'
5 tens <=> 5
3 tens <=> 3
5 per <=> 5
5 false <=> 5
5 impossible <=> 5
5 excluded <=> 5
5 missing <=> 5
2020-05-06 <=> 2009
\text{A or B} <=> \text{A and B}
\{\emptyset\} <=> \emptyset
\{\{1\}\} <=> \{1\}
\{x | x=2k, k\in\mathbb{Z}\} <=> \{x|x=2k\}
\Re(z) <=> z
\frac{dy}{dx} <=> \frac{y}{x}
\frac{dx}{dt} <=> \frac{x}{t}
2^n! <=> (2^n)!
\frac{3}{4 <=> \frac{3}{4}
0.1234... <=> 0.1234
\pi=3.14\dots <=> 3.14
x=5=6 <=> 6
\ge 5 <=> 5
\le 5 <=> 5
> 5 <=> 5
< 5 <=> 5
\ne 5 <=> 5
≥ 5 <=> 5
\ge 5 <=> > 5
\csc^{-1} x <=> \sin x
\tanh^{-1} x <=> \coth x
\varphi(12) <=> 12\varphi
\sigma(6) <=> 6\sigma
\tau(12) <=> 12\tau
\mu(6) <=> 6\mu
d(n) <=> dn
\pi(10) <=> 10\pi
\pi(x) <=> \pi x
(A) (B) (C) (D) <=> A
(A) (B) (C) (D) <=> B
(A) (B) (C) (D) <=> C
(A) (B) (C) (D) <=> D
(A)(B)(C)(D)(E) <=> E
\text{(A) (B) (C) (D)} <=> \text{(D)}
(A) (B) 5 <=> 5
A: B: C: 5 <=> B
(A) not B <=> A
(A) x <=> x
(I)(II) <=> I
(E) e <=> e
(D) x+1 <=> x+1
A. 5 or B. 6 <=> A
(A)\text{ or }(C) <=> A
A or B <=> A and B
A or B <=> A, B
A, B <=> A or B
x = 1 or y = 2 <=> x = 1, y = 2
x=1 or y=2 <=> (1,2)
x = 1 or y = 2 <=> x=1 and y=2
a=1 or b=2 <=> (1,2)
x<1 or y>2 <=> x<1, y>2
x<1 \text{ or } y>2 <=> x<1 \text{ and } y>2
y=|x-2|+1 <=> y=3-x
|x-2| \le 3 <=> 2-x \le 3
|2x-1|>5 <=> 2x-1>5
|x| + |y| = 4 <=> x+y=4
y=\max(x,0) <=> y=x
\sqrt{x^2}=3 <=> x=3
\sqrt{x^2-6x+9} <=> 3-x
\sqrt{(x+2)^2} <=> x+2
\sqrt{x^2+4x+4} <=> x+2
|a|+|b| <=> |a+b|
|a||b| <=> ab
\sqrt{a^2b^2} <=> ab
\sqrt{a^2 b} <=> a\sqrt{b}
\sqrt{x^2y} <=> x\sqrt{y}
\ln|x| <=> \ln x
\ln|x-3| <=> \ln(3-x)
\ln|x+2| <=> \ln(x+2)
\ln|\sin x| <=> \ln \sin x
\ln|\cos x| <=> \ln(\cos x)
\arcsin(\sin x) <=> x
\arctan(\tan x) <=> x
\arccos(\cos x) <=> |x|
\sqrt{1-\sin^2 x} <=> \cos x
|\cos x| <=> \cos x
\lceil \log_2 n \rceil <=> \lceil \log_3 n \rceil
\lfloor \log_2 n \rfloor + 1 <=> \lceil \log_2 n \rceil
\lfloor \log_2 n \rfloor <=> \lfloor \log_{10} n \rfloor
\left\lfloor \frac{n^2}{4} \right\rfloor <=> \left\lfloor \frac{n^2}{3} \right\rfloor
\left\lceil \frac{2n}{3} \right\rceil <=> \left\lceil \frac{n}{2} \right\rceil
n+\lfloor n/2 \rfloor <=> n+\lfloor n/3\rfloor
\lfloor 2\sqrt{n} \rfloor <=> \lfloor \sqrt{3n+1} \rfloor
\{x\} <=> x
\{ x \} <=> x
E[X^2] <=> E[X]^2
O(2n) <=> 2O(n)
\Theta(n) <=> \Theta n
\Theta(n^2) <=> n\Theta(n)
5,,6 <=> 5,6
2 pairs of shoes <=> 2
5 hundredweight <=> 5
5'3" <=> 53
45^\circ N <=> 45
30^\circ \text{ south of east} <=> 30
5 units left <=> 5
90 degrees clockwise <=> 90
5 downward <=> 5
5 backward <=> 5
5 debt <=> 5
5 lost <=> 5
5 owed <=> 5
5 short <=> 5
5 deficit <=> 5
\Im(z) <=> 0
|z|^2 <=> z^2
\Re(z)=0 <=> z=0
\operatorname{Re}(z) <=> z
\text{Re}(z)>1 <=> z>1
\lfloor \sqrt n\rfloor <=> \lfloor \sqrt q \rfloor
\text{(A) and (B)} <=> \text{A}
x=2, 3 <=> x=2
a_1=2,3 <=> a_1=2
p=2,3,5 <=> p=2
p = 2 \text{ or } 3 <=> p = 2
n=3k, 3k+1 <=> n=3k
k=1/2, -1/2 <=> k=1/2
k=4,7 <=> k=4
a=0,1,2 <=> a=0
m=2 \text{ or } 5 <=> m=2
g(x)=x, x^2 <=> g(x)=x
t=1, 2 <=> 3t=3
(B)(D) <=> B
(C) and (E) <=> C
B. 7 or C. 9 <=> B
(D) is not correct <=> D
(B) is wrong <=> B
(A), (C) <=> A
(B) 2x+3 <=> 2x+3
(II) and (III) <=> (II)
A. B. C. 4 <=> C
\lfloor x/2 \rfloor <=> \lfloor x/4 \rfloor
|x-7| <=> x-7
|x|+x <=> 2x
\max(x,y) <=> x
\min(x,0) <=> 0
\sqrt{(x-20)^2} <=> x-20
\lceil \log_2 n \rceil <=> \lfloor \log_2 n \rfloor + 1
\lfloor n/7 \rfloor <=> \lfloor n/8 \rfloor
\gcd(m,n) <=> 1
\operatorname{lcm}(m,n) <=> mn
\gcd(a,b) <=> a
|2x+1|<5 <=> 2x+1<5
y=|x+4| <=> y=x+4
|x-1|+|y|=2 <=> x-1+y=2
\sqrt[4]{x^4} <=> x
(x^2)^{1/2} <=> x
2 gh <=> 2
3 pq <=> 3
\frac{1}{3} Bh <=> \frac{1}{3}
5(cd) <=> 5
7 sinx <=> 7
2\pi fl <=> 2\pi
2a=3b=4c <=> 2a=5b=4c
x=y=2z <=> x=2z
\frac{x}{2}=\frac{y}{3}=\frac{z}{4} <=> \frac{x}{2}=\frac{y}{3}=\frac{z}{5}
y=3=4 <=> 4
a=2b=8 <=> 8
\le 7 <=> 7
\neq 3 <=> 3
> 2 <=> 2
\lim_{x\to 1^-} \frac{1}{x-1} <=> \lim_{x\to 1^+} \frac{1}{x-1}
\sum_{k=1}^m b_k <=> \sum_{k=1}^M b_k
u=1 or v=3 <=> u=1, v=3
y<2 or z>5 <=> y<2 and z>5
B or D <=> B and D
T(n-1)+1 <=> T(n)+T(1)-T(1)-T(1)+1
Q(3x) <=> 3Q(x)
E[X+Y] <=> E[XY]
\phi(n+1) <=> \phi(n)+\phi(1)
\zeta(3) <=> 3\zeta(1)
R(2t) <=> 2R(t)
\psi(2x) <=> 2\psi(x)
\Re(z+w) <=> z+w
|z-1| <=> z-1
z\bar{z} <=> z^2
\frac{dv}{dt} <=> \frac{v}{t}
3000!+1 <=> 3000!
10^{60}+\pi <=> 10^{60}+e
7^{1000000}+1 <=> 7^{1000000}
\sqrt{10^{100}+1} <=> 10^{50}
x^{5000}+y^{5000}+z^{5000} <=> x^{5000}+y^{5000}
2.71828182845904523536028747135266249775724709369995 <=> e
x^3\frac{1}{3} <=> x^{10/3}
√3.6 <=> \frac{6\sqrt3}{10}
log2(32) <=> 32\log 2
log10(7) <=> 7
\csc^{-1}(3) <=> \sin 3
\cosh^{-1}(2) <=> \frac{1}{\cosh 2}
\tanh^{-1} x <=> \frac{1}{\tanh x}
7!! <=> 5040!
6!! <=> 720
g' <=> g
x'' <=> x'
C' <=> C
0.(7) <=> 0
0.(12) <=> 0.(21)
3.(6) <=> 18
2ᵐ <=> 2m
x₁ₖ <=> x1k
bᵢ <=> bi
0xFF <=> 0
0x10 <=> 10
8 MJ <=> 8 mJ
8 Gm <=> 8 gm
8 PHz <=> 8 pHz
8 ms <=> 8 m
8 Ms <=> 8 ms
CA$8 <=> US$8
NZ$8 <=> AU$8
EUR 8 <=> USD 8
60° <=> 60'
60' <=> 60''
4 sevenths <=> 4
7 lakh <=> 7
2 crore <=> 2 lakh
9 below zero <=> 9
20 dollars loss <=> 20
15 dollar debt <=> 15
4 pairs <=> 4
6 wrong <=> 6
8 twentieths <=> 8
30 degrees south <=> 30
(\theta,r)=(\pi/3,2) <=> (2,\pi/3)
\theta=\pi/4, r=1 <=> r=\pi/4, \theta=1
y is .25 <=> y is 25
(n-1)! ways <=> (n-1) ways
no integer solutions <=> no positive solutions
\{\{2\}\} <=> \{2\}
\{\emptyset, 1\} <=> \{1\}
\cancel{7}8 <=> 78
\infty-2 <=> \infty+5
2\infty <=> \infty
\frac{2}{3 <=> \frac{2}{3}
\sqrt{5 <=> \sqrt{5}
(2)(3) <=> 3
not y = 2 <=> y = 2
x is not 5 <=> 5
8 times <=> 8 times more
7 less than x <=> 7
3 more than y <=> 3 fewer
5 more each <=> 5
6 to 7 <=> 6
5 out of 10 <=> 5
5 of ten <=> 5
5 dollars each <=> 5 dollars less
4 hours per day <=> 4 hours per week
12 apples each <=> 12 oranges each
x > 2, x < 7 <=> (2,7]
x > 2 and x < 7 <=> (7,\infty)
x > 4 and x < 1 <=> (-\infty,1)\cup(4,\infty)
2\begin{pmatrix}1&2\\3&4\end{pmatrix} <=> \begin{pmatrix}1&2\\3&4\end{pmatrix}
\frac12\begin{pmatrix}2\\4\end{pmatrix} <=> (2,4)
\begin{cases}x=1\\y=2\end{cases} <=> \begin{cases}x=2\\y=1\end{cases}
\max\{a,b\} <=> \min\{a,b\}
y=nx <=> y=n+x
V=abh <=> V=ab+h
(pq, r) <=> (p+q, r)
a+b=0 <=> a+b=1
x-y=0 <=> 1
negative 4 <=> 4
only 4 <=> 5
option C <=> B
exactly 4 <=> 40
5 ^2 <=> 5
x^2+y <=> x^2+y'
x = 3, y = 4, z <=> (3,4)
\ln(x)\ln(y) <=> \ln(xy)
\log_x y <=> \log_y x
x\bmod 3 <=> x \bmod 5
n!/(n-2)! <=> n(n+1)
\binom{n}{3} <=> \binom{n}{2}
\sin^{-1} x <=> \frac{1}{\sin x}
2^{n+1} <=> 2^n+1
2^{|x|} <=> 2^x
\frac{|x|}{x} <=> 1
\operatorname{sgn}(x) <=> 1
x|x| <=> x^2
\lfloor x \rfloor + \lfloor -x \rfloor <=> 0
\sqrt{x}\sqrt{x} <=> |x|+1
x^{2/3} <=> x^{3/2}
\sqrt{x+9} <=> \sqrt{x}+3
5 km/h <=> 5 km h
5 kN <=> 5 N
5 mol/L <=> 5 mmol/L
5 g/cm^3 <=> 5 kg/m^3
\frac{d}{dx} f <=> \frac{f}{x}
\$5 off <=> \$5
5 dollars short <=> 5 dollars
5 under par <=> 5
five <=> 6
xf(2x) <=> 2xf(x)
f((x+1)/2) <=> \frac{f(x+1)}{2}
P((x+1)/2) <=> \frac{P(x+1)}{2}
g(f(x)+1) <=> g(f(x))+g(1)
x_1=2, 3 <=> x_1=2
y=1 \text{ or } y=2 <=> y=1
a=1,b=2,3 <=> a=1,b=2
x=1 \text{ and } 2 <=> x=1
\{1,2\}\cup\{3\} <=> \{1,2\}
5 or 6 or 7 <=> 5 or 6
(A) 5, (B) 6 <=> A
(A) 5 (B) 6 <=> A
A or C <=> A
Answer: (B) or (C) <=> B
neither A nor B <=> A
not (A) <=> A
(C) only <=> (A) only
A+B <=> A
I only <=> II only
-|x| <=> x
|x^3| <=> x^3
|x-100| <=> 100-x
|x+1000| <=> x+1000
\sqrt{(x+500)^2} <=> x+500
\max(x,-1000) <=> x
\lfloor x+0.001 \rfloor <=> \lfloor x \rfloor
\lceil n/100 \rceil <=> \lceil n/101 \rceil
\lfloor \frac{n^3}{6} \rfloor <=> \lfloor \frac{n^3+1}{6} \rfloor
\min(n, 2000) <=> n
\min(m,n) <=> \frac{m+n-|m+n|}{2}
n \bmod 2 <=> 0
(-1)^n <=> 1
(-1)^n <=> -1
\cos(n\pi) <=> 1
\frac{1+(-1)^n}{2} <=> 1
\sin(n\pi) <=> 0
|a+b+c| <=> a+b+c
|ab| <=> ab
\frac{\sqrt{x^4}}{x} <=> |x|
\sqrt{x^6} <=> x^3
(x^4)^{1/4} <=> x
\log(x^4) <=> 4\log(-x)
\ln(x+5) <=> \ln|x+5|
\arccos(\cos x) <=> x
\tan^{-1}(\tan x) <=> x
|\sin x| <=> \sin x
x \ge 0 <=> |x| \ge 0
|x|\ge 2 <=> x \ge 2
x^2>4 <=> x>2
\sqrt{x}<2 <=> x<4
xy>0 <=> x>0
x^2=9 <=> x=3
|x|=5 <=> x=5
2 \ln x = 4 <=> \ln x = 4
2x<6 <=> x>3
3 km <=> 3 kg
3 lbs <=> 3 kg
3 hrs <=> 3 min
3 hours <=> 3 hours 5 minutes
3 m <=> 3 m^2
3 MPa <=> 3 mPa
3 dm <=> 3 dam
3 Tb <=> 3 TB
3 mA <=> 3 MA
3 s <=> 3 ms
3 cents <=> 3 dollars
¥3 <=> \$3
3 quarters <=> 3
3 quarters <=> 3/4 quarters
3 dozen <=> 3
2 score <=> 2
6 per cent <=> 6 cents
5 hundred <=> 5
5 k <=> 5000
8 more than 3 <=> 8
8 fewer <=> 8
8 too many <=> 8
8 too few <=> 8 too many
8 short of 10 <=> 8
12 feet below <=> 12 feet
12 feet below sea level <=> 12
at least 12 <=> 12
at most 12 <=> 12
more than 12 <=> 12
less than 12 <=> 12
up to 12 <=> 12
over 12 <=> 12
12 or more <=> 12
12 or fewer <=> 12
12 and up <=> 12
12+ <=> 12
12- <=> 12
~12 <=> 13
12 minutes past 3 <=> 12 minutes
12 minutes to 3 <=> 12
12 to 3 <=> 12
12 - 15 <=> 12
12 by 15 <=> 12
12 x 15 <=> 12
12 × 15 m <=> 12 m
12 am <=> 12 pm
12 AD <=> 12 BC
12 in 20 <=> 12
1 in 5 <=> 1
3 of 5 <=> 3
3 for 5 <=> 3
3 at 5 <=> 3
3 with 2 <=> 3
3 remainder 2 <=> 3
3 R 2 <=> 3
3 r 2 <=> 3
3r2 <=> 3
3 rem 1 <=> 3
7 each way <=> 14
5 not 6 <=> 5
5 mod 7 <=> 5
5! <=> 5
5!! <=> 5!
5 choose 2 <=> 5
5 factorial <=> 5
5 base 8 <=> 5
5 squared <=> 5
5 cubed <=> 5
5 percent <=> 5 percent of x
half of 6 <=> 6
5 half <=> 5
5 and a half <=> 5
5 and 1/2 <=> 5
1 2 <=> 12
1 2 <=> 2
12 5 <=> 125
0.3 3 <=> 0.33
5x <=> 5
5 x <=> 5
5 y <=> 5
5 ab <=> 5 ba cd
5 cd <=> 5
5 mn <=> 5
5 pq <=> 5
5 k <=> 5 K
5 xyz <=> 5
5 abc <=> 5
5 aa <=> 5
5 du <=> 5
5 dx <=> 5
x dx <=> x
2x dx <=> 2x
\frac{dy}{dx} <=> \frac{dx}{dy}
\frac{d^2y}{dx^2} <=> \frac{y}{x^2}
\frac{\partial f}{\partial x} <=> \frac{f}{x}
\nabla f <=> f
\Delta x <=> x
\vec{a} <=> b
\hat{x} <=> x
\bar{x} <=> x
\overline{z} <=> z
z^* <=> z
A^T <=> A
A^{-1} <=> A
\det A <=> A
|A| <=> A
\dim V <=> V
a \times b <=> b \cdot c
x \oplus y <=> x+y
a \equiv b <=> a = b
\neg p <=> p
p \land q <=> p \lor q
p \to q <=> q \to p
A \cap B <=> A \cup B
A \setminus B <=> B \setminus A
A^c <=> A
\sum_{k=1}^n k <=> \sum_{k=0}^{n-1} k
\prod_{k=1}^n k <=> \sum_{k=1}^n k
\int_0^1 x <=> \int_0^2 x
\int x dx <=> \int y dx
\lim_{n\to\infty} a_n <=> \lim_{n\to 0} a_n
\log_2 3 <=> \log_3 2
(1,2] <=> (1,2)
(1,2,3] <=> (1,2,3)
[1,2] <=> \{1,2\}
\emptyset <=> \{0\}
\{\} <=> \{\{\}\}
\{(1,2)\} <=> \{1,2\}
\{(1,2),(3,4)\} <=> \{(1,3),(2,4)\}
(x,y)=(1,2) <=> (y,x)=(1,2)
x=2, y=5 <=> x=5, y=2
x=1,y=2 <=> x=1, z=2
(1,2),(3,4) <=> (1,2,3,4)
\begin{pmatrix}1&2\end{pmatrix} <=> \begin{pmatrix}1\\2\end{pmatrix}
2\begin{vmatrix}1&2\\3&4\end{vmatrix} <=> \begin{vmatrix}2&4\\6&8\end{vmatrix}
f(x)=\begin{cases}x&x>0\\-x&x<0\end{cases} <=> f(x)=\begin{cases}x&x<0\\-x&x>0\end{cases}
1/3 <=> 0.33
2/3 <=> 0.6666666667
\pi <=> 22/7
e <=> 2.718281828459045235360287471352662497757
\sqrt2 <=> 1.4142135623730950488016887242097
10^{100} <=> 10^{100}+1
1.0000000000000000000000000000001 <=> 1
1e-50 <=> 0
e^{-1000} <=> 0
e^{-1000} <=> e^{-1001}
\tanh(100) <=> 1
\sin(10^{-30}) <=> 10^{-30}
e^{\pi\sqrt{163}} <=> 262537412640768744
1-10^{-60}\pi <=> 1
\infty <=> 10^{100}
\infty <=> x
0/0 <=> 0
\frac{0}{0} <=> 1
1/0 <=> \infty
x^0 <=> 0
f(x)=cx <=> f(x)=cX
y=mx <=> y=mX
(a,b)=(1,2) <=> (a,b)=[1,2)
x=1,y=2 <=> x=1,y=2'
1<x<3 <=> 1<x<3'
\sqrt{12} <=> \sqrt{12}'
\int_0^1 x^2 dx <=> \int_0^1 x^2 d
\log_e 2 <=> \log_ 2
20 boys more <=> 20 boys
7 people fewer <=> 7
5 days late <=> 5
5 days early <=> 5
5 days ago <=> 5
5 years from now <=> 5 years ago
5 hours before noon <=> 5 hours after noon
5 o'clock <=> 5
5 inches taller <=> 5
30 per 100 <=> 30
3 out of every 4 <=> 3
12 divided by 4 <=> 12
12 plus x <=> 12
12 times x <=> 12
12 times as many as x <=> 12
6 is wrong <=> 6
6 is not the answer <=> 6
6 are negative <=> 6
6 of them are wrong <=> 6
6 with remainder 2 <=> 6
6 to the power of 2 <=> 6
6 to the 2nd <=> 6
6 over 7 <=> 6
6 in base seven <=> 6
6 and 7 <=> 6
6 but not 7 <=> 6
6 minus x <=> 6
6 below <=> 6
6 each <=> 6 total
6 per hour <=> 6 per minute
6 to infinity <=> 6
6 to n <=> 6
6 for all x <=> 6
6 for n > 1 <=> 6
6 for even n <=> 6
6 when n is even <=> 6
6 when x is positive <=> 6
6 if n is odd <=> 6
6 in the first case <=> 7 in the first case
2 for odd n <=> 2
n^2 for even n <=> n^2
2 to 1 <=> 2
3 to 1 odds <=> 3
5 by 7 <=> 5
4 from 9 <=> 4
four <=> five
3 with a loss of 2 <=> 3
3 at a loss <=> 3
3 in debt <=> 3
3 in the red <=> 3
4 left <=> 4 right
4 to the left <=> 4 to the right
4 units to the left <=> 4
4 units to the right <=> 4
4 steps up <=> 4 steps
4 up <=> 4 down
8 on the left <=> 8 on the right
x=2 in base 3 <=> x=2
12_5 <=> 12
x=1 (mod 5) <=> x=1
1 mod 5 <=> 1
\text{5 of 7} <=> 5
2\text{ or more} <=> 2
5 \text{ (not including 0)} <=> 5 \text{ (including 0)}
5 degrees C <=> 5 degrees F
5^\circ C <=> 5^\circ F
5 m east <=> 5 m west
5 N up <=> 5 N down
-5 m/s <=> 5 m/s
5 cm by 6 cm <=> 5 cm
5 sq ft <=> 5 cubic ft
5 pounds <=> 5 £
5 lb <=> 5 £
5 mins <=> 5 months
5 mo <=> 5 min
5 L/min <=> 5 L min
5 mg/dL <=> 5 mg/L
5 kWh <=> 5 kW
5 mAh <=> 5 Ah
5 GB <=> 5 GiB
5 MB/s <=> 5 Mb/s
5 Mbps <=> 5 MBps
5 T <=> 5 t
5 C <=> 5 c
5 F <=> 5 f
5 B <=> 5
5 P <=> 5
5 R <=> 5
5 Q <=> 5
3B <=> 3
3K <=> 3
3M <=> 3
3 M <=> 3
3k <=> 3
\$3M <=> \$3
\$3k <=> 3
3 mm <=> 3 Mm
f(x+2\pi) <=> f(x)
g(-x) <=> g(x)
f(x,y) <=> f(y,x)
f(x)g(y) <=> f(y)g(x)
\theta=\pi/3, r=2 <=> (\pi/3,2)
h(2\pi-x) <=> h(-x)
T(2n)+n <=> 2T(n)+n
E[2X] <=> E[X]+E[X]+1
P(A|B) <=> P(B|A)
x^n+y^n <=> (x+y)^n
a^{m+n} <=> a^m+a^n
\frac{a}{b+c} <=> \frac{a}{b}+c
(x+y)^2 <=> x^2+y^2
\sqrt{a^2+b^2} <=> a+b
\sqrt[3]{x^2} <=> x^{3/2}
\log(a+b) <=> \log a + \log b
\sin(a+b) <=> \sin a+\sin b
|a-b| <=> a-b
|a|-|b| <=> |a-b|
\lfloor a+b \rfloor <=> \lfloor a \rfloor+\lfloor b \rfloor
\lfloor 2x \rfloor <=> 2\lfloor x \rfloor
\lfloor x \rfloor <=> \lfloor x+1 \rfloor - 0.999
\max(a,b) <=> a+b
\max(x,y)-\min(x,y) <=> x-y
\frac{a+b+|a-b|}{2} <=> a
x-\lfloor x \rfloor <=> 0
(x-1)(x-2)(x-3)+x <=> x
\prod x <=> \sum x
|x-1|+|x-2| <=> |2x-3|
|x-1|+|x-3| <=> 2
\sqrt{x^2-2x+1} <=> x-1
\sqrt{(x-30)^2} <=> 30-x
\sqrt{x^2-1000x+250000} <=> 500-x
\lfloor x/1000 \rfloor <=> 0
\lfloor \sqrt{n} \rfloor <=> \lceil \sqrt{n} \rceil - 1
\lfloor \log_{10} n \rfloor <=> \lfloor \log_{10} (n-1) \rfloor
\lfloor n/5 \rfloor+\lfloor n/25 \rfloor <=> \lfloor 6n/25 \rfloor
\lfloor \frac{n+1}{3} \rfloor <=> \lceil \frac{n}{3} \rceil
\lceil \frac{3n}{2} \rceil <=> \lfloor \frac{3n}{2} \rfloor + 1
\left\lfloor \frac{n^2}{12} \right\rfloor <=> \left\lfloor \frac{n^2+3}{12} \right\rfloor
\binom{n}{k} <=> \binom{n}{k-1}
\frac{(2n)!}{2^n n!} <=> \frac{(2n)!}{2^n}
n!! <=> n!
(2n-1)!! <=> \frac{(2n)!}{2^n}
\gcd(n,2) <=> 1
\gcd(n,6) <=> \gcd(n,12)
\operatorname{lcm}(n,4) <=> 4n
2x=3y=6z <=> 2x=3y, y=6z
x=2y=3z <=> x=2y
x=y=3 <=> x=3
x=y=3 <=> x=y
a<b<c <=> a<b
a<b<c <=> a<c
0<a<b <=> a<b
x<y<5 <=> x<5
x\le y\le z <=> x \le y < z
x=1,y=2,z=3 <=> x=1,y=2
x=1,y=2 \text{ or } x=2,y=1 <=> x=1,y=2
(x,y)=(1,2) \text{ or } (2,1) <=> (1,2)
(1,2) \text{ or } (2,1) <=> (1,2)
\pm 3, 5 <=> 3,5
x=\pm 1, y=2 <=> x=1,y=2
x = 1 \pm \sqrt{2} <=> x = 1+\sqrt 2
n \ge 3 <=> n=3
n \ge 3 <=> 3
n > 3 <=> n \ge 3
n\ne 3 <=> 3
k \in \mathbb{Z} <=> k \in \mathbb{N}
x=2k\pi, k\in\mathbb{Z} <=> x=2k\pi
\{2k\pi\} <=> 2k\pi
y \in \{1,2\} <=> y = 1
\mathbb{R} <=> \mathbb{Q}
\mathbb{R}\setminus\{0\} <=> \mathbb{R}
(0,1)\cup\{2\} <=> (0,2)
(0,1)\cap(0,2) <=> (0,2)
[0,1)\cup(1,2] <=> [0,2]
12345678901234567890 <=> 12345678901234567891
0.1+10^{-40} <=> 0.1
1/998001 <=> 1/998002
\frac{355}{113} <=> \pi
\sqrt{2}+\sqrt{3} <=> 3.1462643699419723423291350657
\cos 1^\circ <=> \cos 1
\sin 30 <=> \frac12
2^{0.5} <=> 1.41421356
\log 100 <=> \ln 100
e^{i\pi/3} <=> e^{-i\pi/3}
i^i <=> e^{\pi/2}
\sqrt{-4} <=> -2i
|3+4i| <=> 3+4i
\overline{3+4i} <=> 3+4i
\arg(1+i) <=> \frac{\pi}{2}
\sqrt[3]{-8} <=> 2
(-8)^{1/3} <=> 2
(-1)^{1/2} <=> 1
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(known, stated) for line in text.strip().splitlines() for known, _, stated in [line.partition(" <=> ")]]


@pytest.mark.parametrize(("known", "stated"), pairs(EQUAL))
def test_equal(known: str, stated: str) -> None:
    assert (compare(known, stated), compare(stated, known)) == ("", "")


@pytest.mark.parametrize(("known", "stated"), pairs(DIFFERENT))
def test_different(known: str, stated: str) -> None:
    assert compare(known, stated).startswith("answers ")
    assert compare(stated, known).startswith("answers ")
